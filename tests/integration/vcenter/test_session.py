"""Transport and sessions: TLS, login, cookies, versions, expiry."""

import hashlib
import re
import ssl

import pytest
from pyVim import connect
from pyVmomi import vim, vmodl

LOGIN = ('<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this><userName>%s</userName>'
         '<password>%s</password></Login>')
CURRENT_TIME = '<CurrentTime xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></CurrentTime>'


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def test_fingerprint_is_that_of_the_certificate(lab):
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((lab.host, lab.port)))
    digest = hashlib.sha256(der).hexdigest().upper()
    assert lab.endpoint["certificate_sha256"] == ":".join(re.findall("..", digest))


def test_about_tells_the_version(si):
    about = si.content.about
    assert (about.apiType, about.apiVersion) == ("VirtualCenter", "7.0.3.0")
    assert about.instanceUuid


def test_wrong_password_is_invalid_login(lab):
    with pytest.raises(vim.fault.InvalidLogin):
        lab.connect(password="wrong")
    with pytest.raises(vim.fault.InvalidLogin):
        lab.connect(user="nobody")


def test_cookie_is_quoted_and_secure(lab):
    status, _, cookie = lab.soap(LOGIN % (lab.endpoint["username"], escape(lab.password)))
    assert status == 200
    assert re.match(r'vmware_soap_session="[^"]+"; Path=/; HttpOnly; Secure', cookie)
    value = cookie.split(";")[0]
    assert lab.soap(CURRENT_TIME, value)[0] == 200
    status, text, _ = lab.soap(CURRENT_TIME, value.replace('"', ""))
    assert status == 500 and "NotAuthenticated" in text, "a cookie that lost its quotes must not work"
    status, text, _ = lab.soap(LOGIN % (lab.endpoint["username"], escape(lab.password)), value)
    assert status == 500 and "InvalidLogin" in text, "a second login on a living session"


def test_nothing_without_login(lab):
    status, text, _ = lab.soap(CURRENT_TIME)
    assert status == 500 and 'type="NotAuthenticated"' in text
    retrieve = ('<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this><specSet><propSet>'
                '<type>Folder</type><pathSet>name</pathSet></propSet><objectSet><obj type="Folder">group-d1</obj></objectSet>'
                '</specSet><options/></RetrievePropertiesEx>')
    status, text, _ = lab.soap(retrieve)
    assert status == 500 and 'type="NotAuthenticated"' in text


def test_version_document_lists_what_is_accepted(lab):
    connection = lab.raw()
    connection.request("GET", "/sdk/vimServiceVersions.xml")
    text = connection.getresponse().read().decode()
    connection.close()
    versions = re.findall("<version>(.*?)</version>", text)
    assert versions[0] == "7.0.3.0" and "6.7" in versions
    content = ('<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this>'
               '</RetrieveServiceContent>')
    for version in versions:
        assert lab.soap(content, action="urn:vim25/" + version)[0] == 200
    status, text, _ = lab.soap(content, action="urn:vim25/9.9")
    assert status == 500 and "Unsupported version URI" in text


def test_expired_session_is_not_authenticated_and_login_works_again(lab, si):
    lab.fault("session_expire")
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()
    again = lab.connect()
    assert again.CurrentTime()
    connect.Disconnect(again)


def test_session_may_expire_after_some_calls(lab, si):
    lab.fault("session_expire", after_calls=2)
    si.CurrentTime()
    si.CurrentTime()
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()


def test_sessions_are_visible_to_the_control_channel(lab, si):
    sessions = lab.control("GET", "/state")["sessions"]
    assert [s["user"] for s in sessions] == [lab.endpoint["username"]]
    si.content.sessionManager.Logout()
    assert lab.control("GET", "/state")["sessions"] == []


def test_unknown_method_and_object(si):
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        vim.VirtualMachine("vm-999999", si._stub).PowerOffVM_Task()
