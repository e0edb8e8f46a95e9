package main

import (
	"reflect"
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// body is an answer of any method: the dispatcher takes the element's name from the type of Res.
type body struct {
	Res    interface{} // a response struct by value
	Fault_ *soap.Fault
}

// Fault implements soap.HasFault.
func (b *body) Fault() *soap.Fault { return b.Fault_ }

func answer(response interface{}) soap.HasFault {
	v := reflect.ValueOf(response)
	if v.Kind() == reflect.Ptr {
		v = v.Elem()
	}
	return &body{Res: v.Interface()}
}

func refuse(fault types.BaseMethodFault) soap.HasFault {
	return &body{Fault_: simulator.Fault(faultText(fault), fault)}
}

func faultName(fault interface{}) string {
	t := reflect.TypeOf(fault)
	if t.Kind() == reflect.Ptr {
		t = t.Elem()
	}
	return t.Name()
}

func itoa(n int) string { return strconv.Itoa(n) }
