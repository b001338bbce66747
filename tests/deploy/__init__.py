"""What deploy/ ships: manifests, image, locked requirements."""
