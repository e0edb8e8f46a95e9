package main

func templateCommands() map[string]*command {
	return map[string]*command{
		"listTemplates":    {list: listTemplates},
		"listOsTypes":      {list: listOsTypes},
		"listOsCategories": {list: listOsCategories},
	}
}

func (st *state) template(id string) *template {
	for i := range st.Templates {
		if st.Templates[i].ID == id {
			return &st.Templates[i]
		}
	}
	return nil
}

func (st *state) osType(id string) *osType {
	for i := range st.OSTypes {
		if st.OSTypes[i].ID == id {
			return &st.OSTypes[i]
		}
	}
	return nil
}

// templateFilters: the templates of the lab are public and featured; nobody has one of his own.
var templateFilters = map[string]bool{
	"featured": true, "executable": true, "all": true, "self": false, "selfexecutable": false, "sharedexecutable": false,
	"shared": false, "community": false,
}

func listTemplates(k *call) ([]object, error) {
	filter := k.p.str("templatefilter")
	shown, known := templateFilters[filter]
	if !known {
		return nil, invalid("Please specify a valid template filter")
	}
	if filter == "all" && !k.admin() {
		return nil, invalid("Filter all can be specified by admin only")
	}
	var found []object
	for _, t := range k.st.Templates {
		if !shown || !k.wanted(t.ID, t.Name) || !k.matches("hypervisor", "KVM") {
			continue
		}
		o := object{
			"id": t.ID, "name": t.Name, "displaytext": t.Name, "isready": true, "status": "Download Complete", "hypervisor": "KVM",
			"ostypeid": t.OSType, "ostypename": k.st.osType(t.OSType).Name, "format": "QCOW2", "size": t.Size, "physicalsize": int64(0),
			"zoneid": k.st.Zone, "zonename": zoneName, "requireshvm": true, "ispublic": true, "isfeatured": true,
			"passwordenabled": false, "templatetype": "USER", "crossZones": false, "tags": k.tagList(t.ID),
		}
		found = append(found, k.withOwner(o, k.st.accountNamed("admin").ID))
	}
	return found, nil
}

func listOsTypes(k *call) ([]object, error) {
	var found []object
	for _, t := range k.st.OSTypes {
		if !k.wanted(t.ID, t.Name) || !k.matches("oscategoryid", t.Category) || !k.matches("description", t.Name) {
			continue
		}
		o := object{"id": t.ID, "description": t.Name, "name": t.Name, "oscategoryid": t.Category, "isuserdefined": false}
		for _, c := range k.st.Categories {
			if c.ID == t.Category {
				o["oscategoryname"] = c.Name
			}
		}
		found = append(found, o)
	}
	return found, nil
}

func listOsCategories(k *call) ([]object, error) {
	var found []object
	for _, c := range k.st.Categories {
		if k.wanted(c.ID, c.Name) {
			found = append(found, object{"id": c.ID, "name": c.Name})
		}
	}
	return found, nil
}
