"""What is checked about a catalogue: one module per part of it."""
