package main

func eventCommands() map[string]*command {
	return map[string]*command{"listEvents": {list: listEvents}}
}

func listEvents(k *call) ([]object, error) {
	var found []object
	for _, e := range k.st.Events {
		if !k.sees(e.Account) || !k.wanted(e.ID, e.Text) || !k.matches("type", e.Type) || !k.matches("level", e.Level) ||
			!k.matches("resourceid", e.Resource) {
			continue
		}
		if text := k.p.str("startdate"); text != "" {
			since, err := parseDate(text)
			if err != nil {
				return nil, invalid("Unable to parse date %s for parameter startdate", text)
			}
			if e.Created.Before(since) {
				continue
			}
		}
		o := object{"id": e.ID, "type": e.Type, "level": e.Level, "state": e.State, "description": e.Text, "created": stamp(e.Created)}
		if a := k.st.account(e.Account); a != nil {
			o["username"] = a.Username
		}
		if e.Resource != "" {
			o["resourceid"], o["resourcetype"] = e.Resource, e.ResourceType
		}
		found = append(found, k.withOwner(o, e.Account))
	}
	return found, nil
}
