"""Telling people what is wrong, through the channels of `deployments.yaml`."""
