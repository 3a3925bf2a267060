"""What a database server can do for an upgrade: copy, back up, restore, prove equal. One file per vendor."""
