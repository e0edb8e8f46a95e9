"""Strict parsing, by SOAP written by hand: the order of elements, unknown ones, missing ones."""

import pytest

from labvcenter import snapshot


def query(vm, children):
    return '<QueryChangedDiskAreas xmlns="urn:vim25"><_this type="VirtualMachine">%s</_this>%s</QueryChangedDiskAreas>' % (
        vm._moId, children)


def test_right_order_passes(lab, tracked, cookie):
    snap = snapshot(tracked)
    status, text, _ = lab.soap(query(tracked, '<snapshot type="VirtualMachineSnapshot">%s</snapshot><deviceKey>2000</deviceKey>'
                                     '<startOffset>0</startOffset><changeId>*</changeId>' % snap._moId), cookie)
    assert status == 200 and "<changedArea>" in text


@pytest.mark.parametrize("children,complaint", [
    ('<deviceKey>2000</deviceKey><startOffset>0</startOffset><snapshot type="VirtualMachineSnapshot">s</snapshot>'
     '<changeId>*</changeId>', "snapshot"),
    ("<deviceKey>2000</deviceKey><startOffset>0</startOffset><changeId>*</changeId><extra/>", "extra"),
    ("<deviceKey>2000</deviceKey><startOffset>0</startOffset>", "changeId"),
])
def test_deviations_are_faults(lab, vm, cookie, children, complaint):
    status, text, _ = lab.soap(query(vm, children), cookie)
    assert status == 500 and 'xsi:type="InvalidRequest"' in text and complaint in text


def test_inherited_fields_come_first(lab, cookie):
    body = ('<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this><specSet>'
            '<propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet><obj type="Folder">group-d1</obj>'
            '<selectSet xsi:type="TraversalSpec">%s<path>childEntity</path></selectSet></objectSet></specSet><options/>'
            '</RetrievePropertiesEx>')
    assert lab.soap(body % "<name>n</name><type>Folder</type>", cookie)[0] == 200
    status, text, _ = lab.soap(body % "<type>Folder</type><name>n</name>", cookie)
    assert status == 500 and "out of schema order" in text


def test_malformed_xml_is_a_fault(lab, cookie):
    status, text, _ = lab.soap("<CurrentTime xmlns='urn:vim25'><_this>", cookie)
    assert status == 500 and "InvalidRequest" in text
