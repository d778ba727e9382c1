"""The outbound half: one lane for each target channel, in the order of acceptance; retries, pauses and giving up.

A lane that is slow, limited or down delays no other. What is on disk is the truth; a lane holds a window of it.
"""

from nextbridge.delivery.deliveries import Deliveries
from nextbridge.delivery.lane import LaneState
from nextbridge.delivery.surroundings import Came, Observer, Outcome, Surroundings

__all__ = ["Came", "Deliveries", "LaneState", "Observer", "Outcome", "Surroundings"]
