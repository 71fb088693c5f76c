"""What answers: to an event, to a step's turn, to a request. Pure but for `handlers.http`."""
