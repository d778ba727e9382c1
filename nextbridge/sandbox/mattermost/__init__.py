"""A stand-in Mattermost that answers as a recorded 5.37 does: REST, WebSocket, refusals and all.

    async with SandboxMattermost() as sandbox:
        team = sandbox.add_team("main")
        alice = sandbox.add_user("alice", nickname="Ally")       # an Account: id, username, token
        relay = sandbox.add_bot("relay")
        town = sandbox.add_channel(team, "town", members=[alice, relay])
        ...  # let a client connect to sandbox.url with relay.token
        sandbox.post_as(alice, town, "hello")
        await sandbox.until(lambda: "hi" in sandbox.messages(town))

Everything is kept in memory, and set up on the Python object, before or after the start:

- `add_team`, `add_user`, `add_bot`, `add_token`, `revoke_token`, `add_channel`, `add_direct_channel`,
  `add_group_channel`, `add_member`, `remove_member`.
- `post_as`, `upload_as`, `edit`, `pin`, `delete`, `react_as`, `take_back_reaction`, `type_as`, `change_header`,
  `rename`: acts that clients hear of. `add_emoji`, `take_right`.
- `posts`, `messages`, `header`, `files_of`, `is_online`, `open_sockets`: to look at; `until` to wait.
- `settings`: the client config, told and obeyed: `SandboxMattermost(MaxPostSize="4000")`, or
  `sandbox.settings.change(EnablePostUsernameOverride="false")` while it runs.
- `limit_rate(per_second=3, burst=5)`, `lift_rate_limit()`.
- `faults`: what goes wrong on request, and `faults.requests`, the count of requests by route. See `Faults`.

`SandboxMattermost(clock=…)` takes a function that gives seconds since 1970, to turn time by hand. Posts made one after
the other are of different milliseconds; those that a real server makes side by side may not be, and `posts?after=`
passes over what shares the millisecond of its anchor: `post_as(…, create_at=other.create_at)` makes such a pair.
`GET /` is a small chat page for the demo: `{url}/#token=…&channel=…`.
"""

from nextbridge.sandbox.mattermost.faults import Faults
from nextbridge.sandbox.mattermost.records import Account, Channel, FileInfo, Post, Team, User
from nextbridge.sandbox.mattermost.refusals import Refusal
from nextbridge.sandbox.mattermost.server import SandboxMattermost
from nextbridge.sandbox.mattermost.settings import ServerSettings

__all__ = [
    "Account",
    "Channel",
    "Faults",
    "FileInfo",
    "Post",
    "Refusal",
    "SandboxMattermost",
    "ServerSettings",
    "Team",
    "User",
]
