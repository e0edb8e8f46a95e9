package main

func accountCommands() map[string]*command {
	return map[string]*command{
		"listDomains":  {list: listDomains},
		"listAccounts": {list: listAccounts},
		"listUsers":    {list: listUsers},
		"getUser":      {object: getUser, adminOnly: true},
		"listProjects": {list: func(*call) ([]object, error) { return nil, nil }},
	}
}

func listDomains(k *call) ([]object, error) {
	if !k.wanted(k.st.Domain, "ROOT") {
		return nil, nil
	}
	return []object{{"id": k.st.Domain, "name": "ROOT", "path": "ROOT", "level": 0, "haschild": false, "state": "Active"}}, nil
}

func accountType(a *account) int {
	if a.Admin {
		return 1
	}
	return 0
}

func listAccounts(k *call) ([]object, error) {
	var found []object
	for _, a := range k.st.Accounts {
		mine := a == k.who || (k.admin() && (k.p.flag("listall") || k.p.has("id") || k.p.has("domainid")))
		if !mine || !k.wanted(a.ID, a.Name) {
			continue
		}
		found = append(found, object{
			"id": a.ID, "name": a.Name, "accounttype": accountType(a), "domainid": k.st.Domain, "domain": "ROOT",
			"state": accountState(a), "user": []object{userView(k, a)},
		})
	}
	return found, nil
}

func accountState(a *account) string {
	if a.Disabled {
		return "disabled"
	}
	return "enabled"
}

func listUsers(k *call) ([]object, error) {
	var found []object
	for _, a := range k.st.Accounts {
		mine := a == k.who || (k.admin() && (k.p.flag("listall") || k.p.has("id")))
		if mine && k.wanted(a.UserID, a.Username) && k.matches("username", a.Username) && k.matches("account", a.Name) {
			found = append(found, userView(k, a))
		}
	}
	return found, nil
}

func getUser(k *call) (object, error) {
	a := k.accountByKey(k.p.str("userapikey"))
	if a == nil {
		return nil, invalid("Unable to find user by the API key")
	}
	return userView(k, a), nil
}

// userView never shows the secret key.
func userView(k *call, a *account) object {
	return object{
		"id": a.UserID, "username": a.Username, "account": a.Name, "accountid": a.ID, "accounttype": accountType(a),
		"domain": "ROOT", "domainid": k.st.Domain, "state": accountState(a), "apikey": a.APIKey,
	}
}
