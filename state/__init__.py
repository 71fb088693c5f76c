"""What we remember: the nouns of Waitline, and the tables that keep them."""
