"""Requests as CloudStack checks them: signature, versions, order of the checks, envelopes."""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from cloudlab import refused


def java_encode(text):
    """Java's URLEncoder with %20 for the space: '~' is encoded, '*' is not."""
    return urllib.parse.quote(text, safe="*").replace("~", "%7E")


def signed(cloud, parameters, secret=None, encode=java_encode):
    joined = "&".join(f"{name}={encode(parameters[name])}" for name in sorted(parameters)).lower()
    digest = hmac.new((secret or cloud.secret).encode(), joined.encode(), hashlib.sha1).digest()
    return {**parameters, "signature": base64.b64encode(digest).decode()}


def send(cloud, parameters, post=False):
    body = urllib.parse.urlencode(parameters)
    request = urllib.request.Request(cloud.url if post else cloud.url + "?" + body, body.encode() if post else None)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def plain(cloud, **more):
    return {"apikey": cloud.key, "command": "listZones", "response": "json", **more}


def expires(seconds, form="%Y-%m-%dT%H:%M:%SZ"):
    return time.strftime(form, time.gmtime(time.time() + seconds))


@pytest.mark.parametrize("post", [False, True])
def test_without_version(cloud, post):
    status, body = send(cloud, signed(cloud, plain(cloud)), post)
    assert status == 200
    assert body["listzonesresponse"]["count"] == 1


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%SZ+0000"])
def test_version_3(cloud, form, post):
    parameters = plain(cloud, signatureversion="3", expires=expires(600, form))
    assert send(cloud, signed(cloud, parameters), post)[0] == 200


@pytest.mark.parametrize("value", ["a b", "a+b", "a~b", "a*b", "a/b=c&d", "grün", "Ä%41"])
def test_values_with_special_characters(cloud, value):
    status, body = send(cloud, signed(cloud, plain(cloud, name=value)))
    assert (status, body) == (200, {"listzonesresponse": {}})


def test_tilde_signed_by_another_rule_is_refused(cloud):
    parameters = signed(cloud, plain(cloud, name="a~b"), encode=lambda text: urllib.parse.quote(text, safe="*"))
    assert send(cloud, parameters)[0] == 401


def test_asterisk_signed_by_another_rule_is_refused(cloud):
    parameters = signed(cloud, plain(cloud, name="a*b"), encode=lambda text: urllib.parse.quote(text, safe=""))
    assert send(cloud, parameters)[0] == 401


def test_names_are_sorted_as_sent(cloud):
    parameters = {"apiKey": cloud.key, "command": "listZones", "Response": "json", "available": "true"}
    assert send(cloud, signed(cloud, parameters))[0] == 200  # "Response" comes first, before lower-casing
    joined = "&".join(f"{n}={java_encode(parameters[n])}" for n in sorted(parameters, key=str.lower)).lower()
    digest = hmac.new(cloud.secret.encode(), joined.encode(), hashlib.sha1).digest()
    assert send(cloud, {**parameters, "signature": base64.b64encode(digest).decode()})[0] == 401


def assert_unauthorised(answer, key="listzonesresponse"):
    status, body = answer
    assert status == 401
    assert list(body) == [key]
    error = body[key]
    assert error["errorcode"] == 401
    assert error["errortext"] == "unable to verify user credentials and/or request signature"
    assert "cserrorcode" not in error


def test_wrong_secret(cloud):
    assert_unauthorised(send(cloud, signed(cloud, plain(cloud), secret="wrong")))


def test_unknown_key(cloud):
    assert_unauthorised(send(cloud, signed(cloud, {**plain(cloud), "apikey": "nobody"})))


def test_no_signature(cloud):
    assert_unauthorised(send(cloud, plain(cloud)))


def test_changed_parameter(cloud):
    assert_unauthorised(send(cloud, {**signed(cloud, plain(cloud)), "name": "other"}))


def test_expired(cloud):
    assert_unauthorised(send(cloud, signed(cloud, plain(cloud, signatureversion="3", expires=expires(-5)))))


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-13-45T00:00:00Z"])
def test_unreadable_expiry(cloud, value):
    assert_unauthorised(send(cloud, signed(cloud, plain(cloud, signatureversion="3", expires=value))))


def test_clock_skew(cloud):
    cloud.fault("clock_skew", seconds=3600)
    parameters = signed(cloud, plain(cloud, signatureversion="3", expires=expires(600)))
    assert_unauthorised(send(cloud, parameters))
    cloud.side("DELETE", "/faults")
    assert send(cloud, parameters)[0] == 200


def test_disabled_user(cloud):
    cloud.op("user", account="tenant", disabled=True)
    try:
        parameters = signed(cloud, {**plain(cloud), "apikey": cloud.user_key}, secret=cloud.user_secret)
        assert_unauthorised(send(cloud, parameters))
    finally:
        cloud.op("user", account="tenant", disabled=False)
    assert send(cloud, parameters)[0] == 200


def test_unknown_command(cloud):
    assert_unauthorised(send(cloud, signed(cloud, {**plain(cloud), "command": "listNothing"})), "errorresponse")


def test_command_is_case_sensitive(cloud):
    assert_unauthorised(send(cloud, signed(cloud, {**plain(cloud), "command": "listzones"})), "errorresponse")


def test_no_command(cloud):
    parameters = plain(cloud)
    del parameters["command"]
    status, body = send(cloud, signed(cloud, parameters))
    assert (status, list(body)) == (400, ["errorresponse"])


def test_command_that_this_cloud_does_not_offer(cloud):
    status, body = send(cloud, signed(cloud, {**plain(cloud), "command": "importVm"}))
    assert (status, body["errorresponse"]["errorcode"]) == (432, 432)


def test_command_not_allowed_for_the_role(cloud):
    assert "listConfigurations" in refused(401, cloud.user.listConfigurations)


def test_role_comes_before_signature(cloud):
    parameters = {**plain(cloud), "apikey": cloud.user_key, "command": "listStoragePools"}
    status, body = send(cloud, signed(cloud, parameters, secret="wrong"))
    assert status == 401
    assert "liststoragepoolsresponse" in body
    assert "not available for the account" in body["liststoragepoolsresponse"]["errortext"]


def test_rate_limit_comes_before_signature(cloud):
    cloud.fault("rate_limit", times=1, ms=700)
    status, body = send(cloud, signed(cloud, plain(cloud), secret="wrong"))
    assert status == 429
    assert "retry after [700] ms" in body["listzonesresponse"]["errortext"]


def test_enforced_time_stamps(cloud):
    cloud.set("enforce.post.requests.and.timestamps", "true")
    assert send(cloud, signed(cloud, plain(cloud)))[0] == 401
    assert send(cloud, signed(cloud, plain(cloud, signatureversion="3", expires=expires(600))))[0] == 200
    assert send(cloud, signed(cloud, plain(cloud, signatureversion="3", expires=expires(3600))))[0] == 401
    change = {**plain(cloud, signatureversion="3", expires=expires(600)), "command": "deleteVolume", "id": "x"}
    assert send(cloud, signed(cloud, change))[0] == 405
    assert send(cloud, signed(cloud, change), post=True)[0] == 431


def test_malformed_parameter_name(cloud):
    parameters = {**plain(cloud), "command": "listVolumes", "tags[0][1].key": "x"}
    assert send(cloud, signed(cloud, parameters))[0] == 430


def test_control_character(cloud):
    status, body = send(cloud, signed(cloud, plain(cloud, name="a\x07b")))
    assert (status, body["listzonesresponse"]["cserrorcode"]) == (431, 4350)


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_foreign_client(cloud, method):
    client = cloud.client(cloud.key, cloud.secret, method=method)
    assert client.listZones(name="lab-zone")["zone"][0]["id"] == cloud.zone
    assert client.listZones(fetch_list=True)[0]["id"] == cloud.zone
