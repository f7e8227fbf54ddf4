"""The control plane: the operations of the REST APIs, one file per resource."""
