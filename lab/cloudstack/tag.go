package main

import "strings"

func tagCommands() map[string]*command {
	return map[string]*command{
		"createTags": {async: createTags},
		"deleteTags": {async: deleteTags},
		"listTags":   {list: listTags},
	}
}

// taggable finds the owner of a resource that may carry tags; "" when there is no such resource.
func (st *state) taggable(kind, id string) string {
	switch strings.ToLower(kind) {
	case "volume":
		if v := st.volume(id); v != nil && !v.Removed {
			return v.Account
		}
	case "snapshot":
		if s := st.snapshot(id); s != nil && !s.Removed {
			return s.Account
		}
	case "uservm":
		if m := st.vm(id); m != nil && !m.Removed {
			return m.Account
		}
	case "network":
		if n := st.network(id); n != nil && !n.Removed {
			return n.Account
		}
	}
	return ""
}

func (k *call) tagTargets() ([]string, error) {
	ids := k.p.list("resourceids")
	for _, id := range ids {
		owner := k.st.taggable(k.p.str("resourcetype"), id)
		if owner == "" {
			return nil, invalid("Unable to find resource by id %s and type %s", id, k.p.str("resourcetype"))
		}
		if err := k.mayUse(owner); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func createTags(k *call) (*task, error) {
	pairs, kind := k.p.tagPairs(), k.p.str("resourcetype")
	if len(pairs) == 0 {
		return nil, invalid("Unable to execute API command createtags due to missing parameter tags")
	}
	return &task{commit: func(error) (object, error) {
		ids, err := k.tagTargets()
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			for key := range pairs {
				for _, t := range k.st.Tags {
					if t.Resource == id && t.Key == key {
						return nil, invalid("tag %s already on %s with id %s", key, kind, id)
					}
				}
			}
		}
		k.st.addTags(kind, ids, pairs)
		return ok(), nil
	}}, nil
}

func (st *state) addTags(kind string, ids []string, pairs map[string]string) {
	for _, id := range ids {
		for key, value := range pairs {
			st.Tags = append(st.Tags, &tag{Resource: id, Type: kind, Key: key, Value: value, Account: st.taggable(kind, id)})
		}
	}
}

// deleteTags removes the given tags, or all when none are given.
func deleteTags(k *call) (*task, error) {
	return &task{commit: func(error) (object, error) {
		ids, err := k.tagTargets()
		if err != nil {
			return nil, err
		}
		pairs := k.p.tagPairs()
		kept := []*tag{}
		for _, t := range k.st.Tags {
			value, named := pairs[t.Key]
			gone := contains(ids, t.Resource) && (len(pairs) == 0 || (named && (value == "" || value == t.Value)))
			if !gone {
				kept = append(kept, t)
			}
		}
		k.st.Tags = kept
		return ok(), nil
	}}, nil
}

// dropTags forgets the tags of a resource that is gone.
func (st *state) dropTags(id string) {
	kept := []*tag{}
	for _, t := range st.Tags {
		if t.Resource != id {
			kept = append(kept, t)
		}
	}
	st.Tags = kept
}

func listTags(k *call) ([]object, error) {
	var found []object
	for _, t := range k.st.Tags {
		if !k.sees(t.Account) || !k.matches("resourceid", t.Resource) || !k.matches("resourcetype", t.Type) ||
			!k.matches("key", t.Key) || !k.matches("value", t.Value) || !k.wanted("", t.Key, t.Value) {
			continue
		}
		found = append(found, k.withOwner(object{"key": t.Key, "value": t.Value, "resourceid": t.Resource, "resourcetype": t.Type}, t.Account))
	}
	return found, nil
}
