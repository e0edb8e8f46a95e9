package main

import (
	"net/http"
	"strings"
)

// answerList pages a list. An empty list has neither count nor array; a page past the end has the count alone.
func (k *call) answerList(entry *command) (answer, error) {
	page, size, err := k.paging()
	if err != nil {
		return answer{}, err
	}
	all, err := entry.list(k)
	if err != nil {
		return answer{}, err
	}
	for _, o := range all {
		if err := k.strict(o); err != nil {
			return answer{}, err
		}
	}
	body := object{}
	if len(all) > 0 {
		body["count"] = len(all)
		from := (page - 1) * size
		to := from + size
		if to > int64(len(all)) {
			to = int64(len(all))
		}
		if from < to {
			body[k.meta.Object] = all[from:to]
		}
	}
	return answer{status: http.StatusOK, body: object{k.meta.ResponseKey: body}}, nil
}

// paging reads page and pagesize, which are only allowed together.
func (k *call) paging() (page, size int64, err error) {
	limit := k.st.settingInt("default.page.size")
	hasPage, hasSize := k.p.has("page"), k.p.has("pagesize")
	page, size = 1, limit
	if limit < 0 {
		size = int64(^uint64(0) >> 33) // "-1" means unlimited
	}
	if !hasPage && !hasSize {
		return page, size, nil
	}
	if hasPage != hasSize {
		return 0, 0, invalid("\"page\" parameter is required when \"pagesize\" is specified, and the other way round")
	}
	page, _ = k.p.number("page")
	asked, _ := k.p.number("pagesize")
	if asked == -1 && limit == -1 {
		return 1, size, nil
	}
	if page < 1 || asked < 1 {
		return 0, 0, invalid("page and pagesize must be positive")
	}
	if limit > 0 && asked > limit {
		return 0, 0, invalid("Page size can't exceed max allowed page size value: %d", limit)
	}
	return page, asked, nil
}

// wanted applies the filters that most list commands share: id, ids, name (exact) and keyword (part of a name).
func (k *call) wanted(id string, names ...string) bool {
	if k.p.has("id") && k.p.str("id") != id {
		return false
	}
	if k.p.has("ids") && !contains(k.p.list("ids"), id) {
		return false
	}
	if k.p.has("name") && !contains(names, k.p.str("name")) {
		return false
	}
	if keyword := k.p.str("keyword"); keyword != "" {
		for _, name := range names {
			if strings.Contains(strings.ToLower(name), strings.ToLower(keyword)) {
				return true
			}
		}
		return false
	}
	return true
}

// matches compares an optional filter parameter with a value.
func (k *call) matches(param, value string) bool {
	return !k.p.has(param) || strings.EqualFold(k.p.str(param), value)
}

// sees applies the scope rules: an ordinary user sees his own objects; an administrator his own, or everything with
// listall=true, or one account's with account and domainid. An id asks for one object whoever owns it.
func (k *call) sees(owner string) bool {
	if k.p.has("projectid") && k.p.str("projectid") != "-1" {
		return false // nothing in this cloud belongs to a project
	}
	if !k.admin() {
		return owner == k.who.ID
	}
	if name := k.p.str("account"); name != "" {
		a := k.st.account(owner)
		return a != nil && a.Name == name
	}
	return owner == k.who.ID || k.p.flag("listall") || k.p.has("id") || k.p.has("ids")
}

// mayUse is the access check of commands that change one object.
func (k *call) mayUse(owner string) error {
	if k.admin() || owner == k.who.ID {
		return nil
	}
	return denied("Acct[%s-%s] does not have permission to operate with resource", k.who.ID, k.who.Name)
}

// owner is the account that a new object will belong to.
func (k *call) owner() (*account, error) {
	name := k.p.str("account")
	if name == "" {
		return k.who, nil
	}
	if !k.p.has("domainid") {
		return nil, invalid("The account name cannot be used without the domain id")
	}
	a := k.st.accountNamed(name)
	if a == nil {
		return nil, invalid("Unable to find account %s in domain", name)
	}
	if !k.admin() && a != k.who {
		return nil, denied("Acct[%s-%s] does not have permission to operate for account %s", k.who.ID, k.who.Name, name)
	}
	return a, nil
}

// withOwner adds the fields that tell whose an object is.
func (k *call) withOwner(o object, owner string) object {
	if a := k.st.account(owner); a != nil {
		o["account"], o["domain"], o["domainid"] = a.Name, "ROOT", k.st.Domain
	}
	return o
}

// withJob adds the pending job of an object.
func (k *call) withJob(o object, id string) object {
	if j := k.st.pendingJob(id); j != nil {
		o["jobid"], o["jobstatus"] = j.ID, j.Status
	}
	return o
}

// tagList renders the tags of a resource.
func (k *call) tagList(resource string) []object {
	list := []object{}
	for _, t := range k.st.Tags {
		if t.Resource == resource {
			list = append(list, k.withOwner(object{"key": t.Key, "value": t.Value, "resourceid": t.Resource, "resourcetype": t.Type}, t.Account))
		}
	}
	return list
}

// hasTags is the filter tags[i].key / tags[i].value.
func (k *call) hasTags(resource string) bool {
	for key, value := range k.p.tagPairs() {
		found := false
		for _, t := range k.st.Tags {
			found = found || (t.Resource == resource && t.Key == key && (value == "" || t.Value == value))
		}
		if !found {
			return false
		}
	}
	return true
}

func contains(list []string, value string) bool {
	for _, entry := range list {
		if entry == value {
			return true
		}
	}
	return false
}
