package main

import (
	"net"
	"strings"
)

func networkCommands() map[string]*command {
	return map[string]*command{
		"listNetworks":         {list: listNetworks},
		"listNetworkOfferings": {list: listNetworkOfferings},
		"createNetwork":        {object: createNetwork},
		"deleteNetwork":        {async: deleteNetwork},
	}
}

func (st *state) networkOffering(id string) *networkOffering {
	for i := range st.NetworkOfferings {
		if st.NetworkOfferings[i].ID == id {
			return &st.NetworkOfferings[i]
		}
	}
	return nil
}

func guestType(isolated bool) string {
	if isolated {
		return "Isolated"
	}
	return "Shared"
}

func (k *call) seesNetwork(n *network) bool { return !n.Isolated || k.sees(n.Account) }

func listNetworks(k *call) ([]object, error) {
	var found []object
	for _, n := range k.st.Networks {
		if n.Removed || !k.seesNetwork(n) || !k.wanted(n.ID, n.Name) || !k.matches("type", guestType(n.Isolated)) ||
			!k.matches("traffictype", "Guest") || !k.hasTags(n.ID) || k.p.flag("forvpc") || k.p.has("vpcid") || k.p.flag("issystem") ||
			!k.matches("networkofferingid", n.Offering) {
			continue
		}
		found = append(found, k.networkView(n))
	}
	return found, nil
}

func (k *call) networkView(n *network) object {
	o := object{
		"id": n.ID, "name": n.Name, "displaytext": n.Text, "type": guestType(n.Isolated), "state": n.State, "zoneid": k.st.Zone,
		"zonename": zoneName, "cidr": n.CIDR, "gateway": n.Gateway, "netmask": n.Netmask, "traffictype": "Guest",
		"networkofferingid": n.Offering, "networkofferingname": k.st.networkOffering(n.Offering).Name, "canusefordeploy": true,
		"issystem": false, "ispersistent": false, "restartrequired": false, "specifyipranges": !n.Isolated, "related": n.ID,
		"networkdomain": "lab.internal", "tags": k.tagList(n.ID), "created": stamp(n.Created), "acltype": "Domain",
		"egressdefaultpolicy": !n.Isolated,
	}
	if n.Isolated {
		o["acltype"] = "Account"
		return k.withJob(k.withOwner(o, n.Account), n.ID)
	}
	return o
}

func listNetworkOfferings(k *call) ([]object, error) {
	var found []object
	for _, n := range k.st.NetworkOfferings {
		if !k.wanted(n.ID, n.Name) || !k.matches("guestiptype", guestType(n.Isolated)) || !k.matches("state", "Enabled") ||
			!k.matches("traffictype", "Guest") || k.p.flag("forvpc") {
			continue
		}
		found = append(found, object{
			"id": n.ID, "name": n.Name, "displaytext": n.Name, "guestiptype": guestType(n.Isolated), "state": "Enabled",
			"availability": "Optional", "traffictype": "Guest", "specifyvlan": !n.Isolated, "specifyipranges": !n.Isolated,
			"forvpc": false, "isdefault": false, "ispersistent": false, "egressdefaultpolicy": n.Egress, "conservemode": true,
		})
	}
	return found, nil
}

// createNetwork makes a further isolated network. Addresses come from the lab's loopback space, because a guest's
// port is forwarded from the address of its NIC.
func createNetwork(k *call) (object, error) {
	owner, err := k.owner()
	if err != nil {
		return nil, err
	}
	offering := k.st.networkOffering(k.p.str("networkofferingid"))
	if !offering.Isolated {
		return nil, invalid("Networks of type Shared are made by the administrator of the lab")
	}
	if k.p.has("vlan") && !k.admin() {
		return nil, denied("Only ROOT admin is allowed to specify vlanId or bypass vlan overlap check")
	}
	for _, name := range []string{"gateway", "netmask", "startip", "endip"} {
		if k.p.has(name) {
			return nil, invalid("Parameter %s cannot be chosen in the lab: addresses come from its own space", name)
		}
	}
	var existing int64
	for _, n := range k.st.Networks {
		if n.Account == owner.ID && !n.Removed {
			existing++
		}
	}
	if err := k.st.checkLimit(6, owner, existing); err != nil {
		return nil, err
	}
	text := k.p.str("displaytext")
	if text == "" {
		text = k.p.str("name")
	}
	n := k.st.addNetwork(network{Name: k.p.str("name"), Text: text, Account: owner.ID, Offering: offering.ID, Isolated: true})
	if n == nil {
		return nil, refuse(codeCapacity, "Unable to find a free address range for the network")
	}
	return k.networkView(n), nil
}

func deleteNetwork(k *call) (*task, error) {
	n := k.st.network(k.p.str("id"))
	if err := k.mayUse(n.Account); err != nil {
		return nil, err
	}
	return &task{instanceType: "Network", instanceID: n.ID, commit: func(error) (object, error) {
		if n.Removed {
			return nil, invalid("unable to find network")
		}
		if k.st.nicsOn(n.ID) > 0 {
			return nil, internal("Failed to delete network %s: it still has NICs", n.Name)
		}
		n.Removed = true
		k.st.dropTags(n.ID)
		return ok(), nil
	}}, nil
}

func (st *state) nicsOn(networkID string) int {
	count := 0
	for _, m := range st.VMs {
		for _, n := range m.Nics {
			if n.Network == networkID && !m.Removed {
				count++
			}
		}
	}
	return count
}

func (st *state) addressUsed(ip, mac string) bool {
	for _, m := range st.VMs {
		for _, n := range m.Nics {
			if !m.Removed && ((ip != "" && n.IP == ip) || (mac != "" && strings.EqualFold(n.MAC, mac))) {
				return true
			}
		}
	}
	return false
}

// newNic takes the wished or the lowest free address; IP stays empty when the network is full.
func (st *state) newNic(n *network, ip, mac string) nic {
	if mac == "" {
		number := st.next()
		mac = net.HardwareAddr{0x02, 0x01, byte(st.Port >> 8), byte(st.Port), byte(number >> 8), byte(number)}.String()
	}
	made := nic{ID: newUUID(), Network: n.ID, IP: ip, MAC: mac}
	if ip == "" {
		base := net.ParseIP(n.Gateway).To4()
		for offset := byte(1); offset < 30; offset++ {
			candidate := net.IPv4(base[0], base[1], base[2], base[3]+offset).String()
			if !st.addressUsed(candidate, "") {
				made.IP = candidate
				break
			}
		}
	}
	return made
}

// nicOn checks the wishes of a deployment before a NIC is made.
func (k *call) nicOn(n *network, ip, mac string) (nic, error) {
	if n.Removed || !k.seesNetwork(n) {
		return nic{}, denied("Unable to use network with id = %s, permission denied", n.ID)
	}
	if ip != "" {
		_, block, err := net.ParseCIDR(n.CIDR)
		address := net.ParseIP(ip)
		if err != nil || address == nil || !block.Contains(address) || ip == n.Gateway {
			return nic{}, invalid("Requested IP address %s is not in the CIDR %s of network %s", ip, n.CIDR, n.Name)
		}
	}
	if mac != "" {
		hw, err := net.ParseMAC(mac)
		if err != nil || len(hw) != 6 {
			return nic{}, invalid("Mac address is not valid: %s", mac)
		}
		if hw[0]&1 == 1 {
			return nic{}, invalid("Mac address is not unicast: %s", mac)
		}
	}
	if k.st.addressUsed(ip, mac) {
		return nic{}, invalid("Address %s %s is already in use", ip, mac)
	}
	made := k.st.newNic(n, ip, mac)
	if made.IP == "" {
		return nic{}, refuse(codeCapacity, "Insufficient address capacity in network %s", n.Name)
	}
	return made, nil
}
