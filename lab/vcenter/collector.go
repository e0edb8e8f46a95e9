package main

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// PropertyCollector adds to the simulator's: pages of maxObjects objects, faults for unknown properties and for
// callers without a session. The simulator makes one per session by reflection, so paging state can live here.
type PropertyCollector struct {
	simulator.PropertyCollector

	pagesMu sync.Mutex
	pages   map[string]page
}

// page is the unanswered rest of a retrieval; its token works once.
type page struct {
	objects []types.ObjectContent
	max     int
}

// RetrievePropertiesEx answers the first page.
func (pc *PropertyCollector) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	if ctx.Session == nil {
		return refuse(notAuthenticated(r.This))
	}
	if r.Options.MaxObjects < 0 {
		return refuse(&types.InvalidArgument{InvalidProperty: "options.maxObjects"})
	}
	for _, spec := range r.SpecSet {
		if fault := checkPaths(spec.PropSet); fault != nil {
			return refuse(fault)
		}
	}
	found := pc.PropertyCollector.RetrievePropertiesEx(ctx, r)
	if found.Fault() != nil {
		return found
	}
	res := found.(*methods.RetrievePropertiesExBody).Res
	if res.Returnval == nil || len(res.Returnval.Objects) == 0 {
		return answer(types.RetrievePropertiesExResponse{})
	}
	return answer(types.RetrievePropertiesExResponse{
		Returnval: pc.cut(page{res.Returnval.Objects, int(r.Options.MaxObjects)})})
}

// RetrieveProperties is the deprecated form without pages.
func (pc *PropertyCollector) RetrieveProperties(ctx *simulator.Context, r *types.RetrieveProperties) soap.HasFault {
	if ctx.Session == nil {
		return refuse(notAuthenticated(r.This))
	}
	for _, spec := range r.SpecSet {
		if fault := checkPaths(spec.PropSet); fault != nil {
			return refuse(fault)
		}
	}
	return pc.PropertyCollector.RetrieveProperties(ctx, r)
}

// ContinueRetrievePropertiesEx answers the next page.
func (pc *PropertyCollector) ContinueRetrievePropertiesEx(r *types.ContinueRetrievePropertiesEx) soap.HasFault {
	rest, ok := pc.take(r.Token)
	if !ok {
		return refuse(&types.InvalidArgument{InvalidProperty: "token"})
	}
	return answer(types.ContinueRetrievePropertiesExResponse{Returnval: *pc.cut(rest)})
}

// CancelRetrievePropertiesEx gives up the remaining pages.
func (pc *PropertyCollector) CancelRetrievePropertiesEx(r *types.CancelRetrievePropertiesEx) soap.HasFault {
	if _, ok := pc.take(r.Token); !ok {
		return refuse(&types.InvalidArgument{InvalidProperty: "token"})
	}
	return answer(types.CancelRetrievePropertiesExResponse{})
}

// CreateFilter refuses unknown properties, too.
func (pc *PropertyCollector) CreateFilter(ctx *simulator.Context, r *types.CreateFilter) soap.HasFault {
	if fault := checkPaths(r.Spec.PropSet); fault != nil {
		return refuse(fault)
	}
	return pc.PropertyCollector.CreateFilter(ctx, r)
}

// CreatePropertyCollector makes further collectors of the same kind.
func (pc *PropertyCollector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	further := &PropertyCollector{}
	further.Self.Type = "PropertyCollector"
	return answer(types.CreatePropertyCollectorResponse{Returnval: ctx.Session.Put(further).Reference()})
}

func (pc *PropertyCollector) cut(all page) *types.RetrieveResult {
	if all.max == 0 || len(all.objects) <= all.max {
		return &types.RetrieveResult{Objects: all.objects}
	}
	token := uuid.New().String()
	pc.pagesMu.Lock()
	defer pc.pagesMu.Unlock()
	if pc.pages == nil {
		pc.pages = map[string]page{}
	}
	pc.pages[token] = page{all.objects[all.max:], all.max}
	return &types.RetrieveResult{Token: token, Objects: all.objects[:all.max]}
}

func (pc *PropertyCollector) take(token string) (page, bool) {
	pc.pagesMu.Lock()
	defer pc.pagesMu.Unlock()
	rest, ok := pc.pages[token]
	delete(pc.pages, token)
	return rest, ok
}

func notAuthenticated(obj types.ManagedObjectReference) types.BaseMethodFault {
	return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: obj, PrivilegeId: "System.View"}}
}

// checkPaths finds the first property path that its type does not have.
func checkPaths(set []types.PropertySpec) types.BaseMethodFault {
	for _, spec := range set {
		kind, known := managedType(spec.Type)
		if !known {
			return &types.InvalidArgument{InvalidProperty: "specSet.propSet.type"}
		}
		for _, path := range spec.PathSet {
			if !hasPath(kind, strings.Split(path, ".")) {
				return &types.InvalidProperty{Name: path}
			}
		}
	}
	return nil
}

// managedType finds the Go struct of a managed object type by its API name.
func managedType(name string) (kind reflect.Type, known bool) {
	if name == "ManagedEntity" {
		return reflect.TypeOf(mo.ManagedEntity{}), true
	}
	defer func() {
		if recover() != nil { // the library panics for names it does not know
			kind, known = nil, false
		}
	}()
	value, err := mo.ObjectContentToType(types.ObjectContent{Obj: types.ManagedObjectReference{Type: name}})
	if err != nil {
		return nil, false
	}
	return reflect.TypeOf(value), true
}

func hasPath(kind reflect.Type, path []string) bool {
	for _, name := range path {
		if kind.Kind() == reflect.Ptr {
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Interface {
			return true // the field of a type that only the object itself knows
		}
		if kind.Kind() != reflect.Struct || name == "" {
			return false
		}
		field, ok := kind.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if !ok {
			return false
		}
		kind = field.Type
	}
	return true
}

// replaceCollector registers our collector under the singleton's reference; this must happen before the first login.
func replaceCollector(content types.ServiceContent) error {
	if simulator.Map.Get(content.PropertyCollector) == nil {
		return fmt.Errorf("no property collector %s", content.PropertyCollector)
	}
	pc := &PropertyCollector{}
	pc.Self = content.PropertyCollector
	simulator.Map.Put(pc)
	return nil
}
