"""Stand-ins to run drivers and the daemon against: for the demo, for driver authors and for the tests."""
