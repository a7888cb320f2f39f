"""The same strategies for an existing Kubernetes cluster: what Compose would run, as plain objects of its API."""
