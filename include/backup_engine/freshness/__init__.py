"""How well a deployment is protected now: what there is, judged against what was promised."""
