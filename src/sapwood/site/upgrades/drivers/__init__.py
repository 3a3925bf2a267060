"""How each kind of deployment is asked and moved; `base.py` says what a driver must do."""
