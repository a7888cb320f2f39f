"""What a strategy's function does when it is called: understand, run, answer."""
