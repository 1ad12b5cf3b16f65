"""From machines that answer to SSH to a verified platform: `python -m bootstrap plan|apply|… INVENTORY`."""
