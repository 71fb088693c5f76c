"""From an automation file to a version that runs: parsed, judged as a graph, compiled."""
