package main

// checkDelete holds for deleteVolume and destroyVolume.
func (k *call) checkDelete(v *volume) error {
	if v == nil || v.Removed {
		return invalid("Unable to find volume with ID: %s", k.p.str("id"))
	}
	if err := k.mayUse(v.Account); err != nil {
		return err
	}
	if v.VM != "" {
		return invalid("Please specify a volume that is not attached to any VM.")
	}
	if v.Protected {
		return invalid("Volume [id = %s, name = %s] has delete protection enabled and cannot be deleted.", v.ID, v.Name)
	}
	for _, s := range k.st.Snapshots {
		if s.Volume == v.ID && (s.State == stCreating || s.State == stOnPrimary || s.State == stBackingUp) {
			return invalid("There are snapshot operations in progress on the volume, unable to delete it")
		}
	}
	switch v.State {
	case stAllocated, stReady, stDestroy:
		return nil
	}
	return invalid("Please specify a volume that is not in state %s", v.State)
}

// deleteVolume expunges at once, in the call itself.
func deleteVolume(k *call) (object, error) {
	v := k.st.volume(k.p.str("id"))
	if err := k.checkDelete(v); err != nil {
		return nil, err
	}
	k.expungeVolume(v)
	return ok(), nil
}

func destroyVolume(k *call) (*task, error) {
	v := k.st.volume(k.p.str("id"))
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	expunge := k.p.flag("expunge")
	t := &task{instanceType: "Volume", instanceID: v.ID}
	t.check = func() error {
		if expunge && !k.admin() && !k.st.settingOn("allow.user.expunge.recover.volume") {
			return denied("Expunging a volume can only be done by an Admin. Or when the allow.user.expunge.recover.volume key is set.")
		}
		return k.checkDelete(v)
	}
	t.commit = func(error) (object, error) {
		if expunge || v.State == stAllocated {
			k.expungeVolume(v)
		} else {
			v.State = stDestroy
		}
		return k.volumeView(v), nil
	}
	return t, nil
}

func recoverVolume(k *call) (object, error) {
	v := k.st.volume(k.p.str("id"))
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	if v.Removed || v.State != stDestroy {
		return nil, invalid("Please specify a volume in Destroy state.")
	}
	if !k.admin() && !k.st.settingOn("allow.user.expunge.recover.volume") {
		return nil, denied("Recovering a volume can only be done by an Admin. Or when the allow.user.expunge.recover.volume key is set.")
	}
	v.State = stReady
	return k.volumeView(v), nil
}

// updateVolume changes the name and the delete protection; path and state are never touched here.
func updateVolume(k *call) (*task, error) {
	v := k.st.volume(k.p.str("id"))
	if v == nil {
		return nil, invalid("Unable to execute API command updatevolume due to missing parameter id")
	}
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	for _, name := range []string{"path", "state", "storageid", "chaininfo", "customid"} {
		if k.p.has(name) {
			return nil, denied("Parameter %s may not be changed in this cloud", name)
		}
	}
	return &task{instanceType: "Volume", instanceID: v.ID, commit: func(error) (object, error) {
		if v.Removed {
			return nil, invalid("The volume id doesn't exist")
		}
		if k.p.has("name") {
			v.Name = k.p.str("name")
		}
		v.Protected = k.p.flagOr("deleteprotection", v.Protected)
		return k.volumeView(v), nil
	}}, nil
}
