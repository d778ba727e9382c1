"""What proves it all. A package, so that no installed one of this name (some ship their tests) is taken for it."""
