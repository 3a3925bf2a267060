"""The demonstration campus: this package runs in the environments of the train, never in ours."""
