"""How each kind of deployment is asked and moved; see contract.py for what a driver must do."""
