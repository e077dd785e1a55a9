"""The spill file: where chunks wait on the local disk while Redis does not take them."""
