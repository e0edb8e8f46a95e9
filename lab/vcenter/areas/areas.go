// Package areas computes the answers of QueryChangedDiskAreas from block runs: pure functions, bytes everywhere.
//
// Source of the rules: vSphere Web Services API, VirtualMachine.queryChangedDiskAreas. An answer covers
// [start, start+length); the caller goes on at its end; an answer without areas is normal.
package areas

// Granularity is the grain of change tracking: 64 KiB, the smallest that ESXi uses.
const Granularity = 64 << 10

// MaxPerAnswer is the most areas one answer carries; ESXi limits it likewise.
const MaxPerAnswer = 2000

// Area is a run of changed bytes.
type Area struct{ Start, Length int64 }

// End is the first byte behind the area.
func (a Area) End() int64 { return a.Start + a.Length }

// Answer is one page: what the server looked at and what it found there.
type Answer struct {
	Start, Length int64
	Areas         []Area
}

// Normalise widens runs (sorted by start) to the granularity, merges neighbours and clips to capacity.
func Normalise(runs []Area, capacity int64) []Area {
	var out []Area
	for _, r := range runs {
		if r.Length <= 0 || r.Start >= capacity {
			continue
		}
		start := r.Start / Granularity * Granularity
		end := (r.End() + Granularity - 1) / Granularity * Granularity
		if end > capacity {
			end = capacity
		}
		if n := len(out); n > 0 && out[n-1].End() >= start {
			if end > out[n-1].End() {
				out[n-1].Length = end - out[n-1].Start
			}
			continue
		}
		out = append(out, Area{start, end - start})
	}
	return out
}

// Page answers a query that begins at start: at most window bytes and at most MaxPerAnswer areas, clipped to
// the covered range. The caller has checked 0 <= start < capacity.
func Page(all []Area, start, capacity, window int64) Answer {
	end := start + window
	if end > capacity {
		end = capacity
	}
	answer := Answer{Start: start}
	for _, a := range all {
		if a.End() <= start {
			continue
		}
		if a.Start >= end {
			break
		}
		if len(answer.Areas) == MaxPerAnswer {
			end = a.Start // the next page begins with the first area that did not fit
			break
		}
		answer.Areas = append(answer.Areas, clip(a, start, end))
	}
	answer.Length = end - start
	return answer
}

func clip(a Area, start, end int64) Area {
	from, to := a.Start, a.End()
	if from < start {
		from = start
	}
	if to > end {
		to = end
	}
	return Area{from, to - from}
}
