package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// sessionKeeper is the session that the lab itself uses to look at and end the others.
const sessionKeeper = "lab"

// sessions lists the living sessions.
func (l *lab) sessions() []types.UserSession {
	own := &simulator.Session{Registry: simulator.NewRegistry()}
	view, ok := own.Get(*l.content.SessionManager).(*simulator.SessionManager)
	if !ok {
		return nil
	}
	return view.SessionList
}

// sessionLives checks a session without renewing it: disk reads do not keep a session alive.
func (l *lab) sessionLives(key string) bool {
	for _, s := range l.sessions() {
		if s.Key == key {
			return true
		}
	}
	return false
}

// endSessions ends all sessions, as a restart or an administrator would.
func (l *lab) endSessions() {
	manager, ok := simulator.Map.Get(*l.content.SessionManager).(*simulator.SessionManager)
	if !ok {
		return
	}
	ctx := &simulator.Context{Map: simulator.Map,
		Session: &simulator.Session{UserSession: types.UserSession{Key: sessionKeeper}}}
	for _, s := range l.sessions() {
		manager.TerminateSession(ctx, &types.TerminateSession{SessionId: []string{s.Key}})
	}
}

// expireSessions applies the fault of that name to a call with the given session.
func (l *lab) expireSessions(session string) {
	if !l.sessionLives(session) {
		return
	}
	if _, hit := l.faults.take("session_expire", func(parameters) bool { return true }); hit {
		l.endSessions()
	}
}
