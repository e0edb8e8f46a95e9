package main

func discoveryCommands() map[string]*command {
	return map[string]*command{"listApis": {list: listApis}}
}

// listApis shows the commands that the caller's role may use, straight from the metadata; what this simulator does
// not play is not in it.
func listApis(k *call) ([]object, error) {
	if name := k.p.str("name"); name != "" && (k.table[name] == nil || (k.table[name].adminOnly && !k.admin())) {
		return nil, invalid("API name:%s is not available for user", name)
	}
	var found []object
	for _, name := range k.cloud.meta.order {
		entry := k.table[name]
		if entry == nil || (entry.adminOnly && !k.admin()) || (k.p.has("name") && k.p.str("name") != name) {
			continue
		}
		meta := k.cloud.meta.commands[name]
		o := object{"name": name, "isasync": meta.Async, "params": paramViews(meta.Params), "response": fieldViews(meta.Response)}
		if meta.Added != "" {
			o["since"] = meta.Added
		}
		found = append(found, o)
	}
	return found, nil
}

func paramViews(params []apiParam) []object {
	list := []object{}
	for _, p := range params {
		o := object{"name": p.Name, "type": p.Type, "required": p.Required, "length": p.Length}
		if since := p.Since; since != "" {
			o["since"] = since
		} else if p.Added != "" {
			o["since"] = p.Added
		}
		list = append(list, o)
	}
	return list
}

func fieldViews(fields []apiField) []object {
	list := []object{}
	for _, f := range fields {
		o := object{"name": f.Name, "type": f.Type}
		if len(f.Response) > 0 {
			o["response"] = fieldViews(f.Response)
		}
		list = append(list, o)
	}
	return list
}
