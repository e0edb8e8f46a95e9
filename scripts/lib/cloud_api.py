"""Asks the lab's CloudStack over its public API, as an operator with the same keys would: what the product did is judged by
what the cloud shows, not by what the product says."""

import base64
import hashlib
import hmac
import json
import urllib.parse
import urllib.request
from pathlib import Path


class CloudApi:
    def __init__(self, cloud):
        """`cloud` is the lab's description of its CloudStack: url, api_key, secret_key_file."""
        self.url = cloud["url"]
        self.api_key = cloud["api_key"]
        self.secret = Path(cloud["secret_key_file"]).read_text().strip()

    def call(self, command, **parameters):
        """The answer's body, without its envelope. Errors of the cloud are urllib's HTTPError."""
        query = {**parameters, "command": command, "response": "json", "apiKey": self.api_key}
        # The signature is over the sorted, encoded and lower-cased query (CloudStack's rule).
        pairs = [f"{name}={urllib.parse.quote(str(query[name]), safe='*')}" for name in sorted(query)]
        digest = hmac.new(self.secret.encode(), "&".join(pairs).lower().encode(), hashlib.sha1).digest()
        pairs.append("signature=" + urllib.parse.quote(base64.b64encode(digest).decode(), safe=""))
        with urllib.request.urlopen(f"{self.url}?{'&'.join(pairs)}", timeout=30) as answer:
            return next(iter(json.load(answer).values()))

    def machine(self, machine_id):
        return self.call("listVirtualMachines", id=machine_id)["virtualmachine"][0]

    def volumes_at(self, machine_id):
        """Device number -> volume, of everything attached to a machine."""
        return {v["deviceid"]: v for v in self.call("listVolumes", virtualmachineid=machine_id).get("volume", [])}
