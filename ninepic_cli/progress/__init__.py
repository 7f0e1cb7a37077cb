"""What a person sees meanwhile."""
