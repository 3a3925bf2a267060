"""Sites whose network is not the usual one, from subscription to page: what tests/e2e/test_network.py starts."""
