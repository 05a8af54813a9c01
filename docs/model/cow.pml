/* SPDX-License-Identifier: MIT */
/*
 * docs/model/cow.pml - fault, fork, break of shared tables, exit and shootdown, for SPIN.
 *
 *   space.root ──► table ──► slots[PAGES] ──► frame       one slot in the root, tables of one level
 *   cpu.upper  (cached root entry)                        what a walk starts from, while it is there
 *   cpu.leaf   (cached translation of cpu.page)           what an instruction uses, without looking
 *
 * Names are those of mm/tree.c, mm/cursor.c, mm/fault.c, mm/space.c and arch/x86_64/tlb.c.
 *
 * A step is what others see as one: a load or a store of an entry, an atomic operation on a count,
 * one instruction of the program together with the translation it uses, the serving of one
 * shootdown.  d_step and atomic join only what is private to a CPU, or under a lock that all who
 * could look must take.
 *
 * Checked:  every load sees the last store of its own space, or the snapshot at fork   (program)
 *           nobody uses a frame or a table that is free                          (program, walk)
 *           counts are entries, write bits are true, whenever no CPU is in the kernel    (audit)
 *           nothing is left over when the last space has gone: the same audit
 *           nobody waits for ever: SPIN's invalid end states
 *
 * docs/model/README.md says what -D breaks which rule; docs/model/run tries them all.
 */
#ifndef CPUS
#define CPUS	3
#endif
#ifndef SPACES
#define SPACES	2
#endif
#ifndef PAGES
#define PAGES	1
#endif
#ifndef THREADS
#define THREADS	2	/* of the first space, on CPUs 0, 1.. */
#endif
#ifndef STEPS
#define STEPS	3	/* loads, stores and forks of the thread on CPU 0, at most */
#endif
#ifndef OTHERS
#define OTHERS	1	/* loads, stores and forks of the other threads */
#endif

#define NONE		0	/* no table, no frame */
#define ZERO_FRAME	1	/* never counted, written or freed */
#define ALL_PAGES	PAGES
#define NOWHERE		SPACES	/* the kernel's root */

#define TABLES		(2 * SPACES + 1)
#define FRAMES		(2 + (SPACES + 2) * PAGES)

/* Space k > 0 is a child; its one thread runs here, after what ran here before. */
#define RUNNER(k)	((THREADS + (k) - 1) % CPUS)

typedef pte { byte names; bit write };
typedef frame { bit taken; byte count; byte data };
typedef table { bit taken; bit stale; bit locked; byte count; pte slots[PAGES] };
typedef space {
	bit live;
	byte users;
	bit writer;			/* the space's lock */
	byte readers;
	bit locked;			/* the root's byte lock */
	pte root;			/* its only slot */
	byte cpus;			/* who has it loaded */
	byte truth[PAGES]		/* what a load must see; no part of the kernel */
};
typedef cpu {
	byte loaded;
	pte upper;
	pte leaf;
	byte page;
	bit deaf;			/* interrupts off */
	byte pending;			/* own request: who has not flushed yet */
	byte flush_space;
	byte flush_page
};

frame frames[FRAMES];
table tables[TABLES];			/* [0] stays empty, as frames[0] does */
space spaces[SPACES];
cpu cpus[CPUS];
byte spaces_made = 1;
byte in_kernel;				/* CPUs; 0 is the moment to audit */
hidden byte x, y, n;			/* of the audit */

/* ---- the processor --------------------------------------------------------------------------- */

#define IS_CACHED(c, p)	(cpus[c].leaf.names != NONE && cpus[c].page == p)
#define UPPER(c)	cpus[c].upper
#define LEAF_OF(t, p)	tables[t].slots[p]

inline leaf_forget(c)
{
	cpus[c].leaf.names = NONE; cpus[c].leaf.write = 0; cpus[c].page = 0
}

/* INVLPG drops the page and all upper entries; ALL_PAGES: a load of CR3. */
inline flush_here(c, p)
{
	UPPER(c).names = NONE; UPPER(c).write = 0;
	if
	:: p == ALL_PAGES || cpus[c].page == p -> leaf_forget(c)
	:: else
	fi
}

/* One load or store; faults until it succeeds. */
inline program(p, is_store)
{
	do
	:: d_step { IS_CACHED(me, p) && (!is_store || cpus[me].leaf.write) ->
		assert(cpus[me].leaf.names == ZERO_FRAME || frames[cpus[me].leaf.names].taken);
		if
		:: is_store ->
			value = 2 * s + 1;
			if
			:: spaces[s].truth[p] == value -> value++
			:: else
			fi;
			assert(cpus[me].leaf.names != ZERO_FRAME);
			frames[cpus[me].leaf.names].data = value;
			spaces[s].truth[p] = value;
			value = 0
		:: else ->
			assert(frames[cpus[me].leaf.names].data == spaces[s].truth[p])
		fi
	   } -> break
	:: d_step { !IS_CACHED(me, p) && UPPER(me).names == NONE && spaces[s].root.names != NONE ->
		UPPER(me).names = spaces[s].root.names;
		UPPER(me).write = spaces[s].root.write
	   }
	:: d_step { !IS_CACHED(me, p) && UPPER(me).names != NONE &&
		    LEAF_OF(UPPER(me).names, p).names != NONE ->
		assert(tables[UPPER(me).names].taken);
		cpus[me].page = p;
		cpus[me].leaf.names = LEAF_OF(UPPER(me).names, p).names;
		cpus[me].leaf.write = LEAF_OF(UPPER(me).names, p).write && UPPER(me).write
	   }
	:: d_step { (IS_CACHED(me, p) && is_store && !cpus[me].leaf.write) ||
		    (!IS_CACHED(me, p) && UPPER(me).names == NONE && spaces[s].root.names == NONE) ||
		    (!IS_CACHED(me, p) && UPPER(me).names != NONE &&
			LEAF_OF(UPPER(me).names, p).names == NONE) ->
		flush_here(me, p);              /* a page fault does that */
		in_kernel++
	   } ->
		fault_resolve(p, is_store);
		d_step { read_unlock(s); kernel_leave() }
	od
}

/* ---- arch/x86_64/tlb.c ----------------------------------------------------------------------- */

inline request_serve()
{
	if
	:: cpus[me].loaded == cpus[from].flush_space -> flush_here(me, cpus[from].flush_page)
	:: else
	fi;
	cpus[from].pending = cpus[from].pending & ~(1 << me);
	from = 0
}

/* A CPU's other half: interrupts come between any two steps. */
proctype tlb_interrupt(byte me)
{
	byte from;
end_wait:
	do
	:: d_step { !cpus[me].deaf && (cpus[0].pending >> me & 1) -> from = 0; request_serve() }
	:: d_step { !cpus[me].deaf && (cpus[1].pending >> me & 1) -> from = 1; request_serve() }
#if CPUS > 2
	:: d_step { !cpus[me].deaf && (cpus[2].pending >> me & 1) -> from = 2; request_serve() }
#endif
	od
}

/* The mask is read after the entry was stored; then each target answers in its own time. */
inline space_flush(k, p)
{
	d_step {
		flush_here(me, p);
		cpus[me].flush_space = k;
		cpus[me].flush_page = p;
		cpus[me].pending = spaces[k].cpus & ~(1 << me)
	}
	d_step { cpus[me].pending == 0 -> cpus[me].flush_space = 0; cpus[me].flush_page = 0 }
}

inline tlb_activate(k)
{
	spaces[k].cpus = spaces[k].cpus | (1 << me);
	cpus[me].loaded = k
}

inline tlb_leave(k)
{
	d_step { flush_here(me, ALL_PAGES); cpus[me].loaded = NOWHERE }
	spaces[k].cpus = spaces[k].cpus & ~(1 << me)
}

/* ---- locks ----------------------------------------------------------------------------------- */

inline read_lock(k)	{ atomic { !spaces[k].writer -> spaces[k].readers++ } }
inline read_unlock(k)	{ spaces[k].readers-- }
inline write_unlock(k)	{ spaces[k].writer = 0 }

inline write_lock(k)
{
#ifdef FORK_READ_LOCKED
	read_lock(k)
#else
	atomic { !spaces[k].writer && spaces[k].readers == 0 -> spaces[k].writer = 1 }
#endif
}

inline spin_lock_byte(held)
{
#ifdef SPIN_WITH_INTERRUPTS_OFF
	cpus[me].deaf = 1;
	atomic { !held -> held = 1; cpus[me].deaf = 0 }
#else
	atomic { !held -> held = 1 }
#endif
}

inline spin_unlock_byte(held)	{ held = 0 }

/* ---- frames: one atomic operation each ------------------------------------------------------- */

/* The lowest that is free, so that what is freed too early soon belongs to somebody else. */
inline frame_alloc(result, contents)
{
	d_step {
		result = ZERO_FRAME + 1;
		do
		:: result < FRAMES && frames[result].taken -> result++
		:: else -> break
		od;
		assert(result < FRAMES);
		frames[result].taken = 1;
		frames[result].count = 1;
		frames[result].data = contents
	}
}

inline frame_free(f)
{
	assert(frames[f].taken && frames[f].count == 0);
	frames[f].taken = 0;
	frames[f].data = 0
}

inline frame_put(f)
{
#ifdef COUNT_IN_TWO_STEPS
	d_step { assert(frames[f].count > 0); frames[f].count-- }
	d_step {
		if
		:: frames[f].count == 0 -> frame_free(f)
		:: else
		fi;
		skip
	}
#else
	d_step {
		assert(frames[f].count > 0);
		frames[f].count--;
		if
		:: frames[f].count == 0 -> frame_free(f)
		:: else
		fi;
		skip
	}
#endif
}

/* ---- mm/tree.c ------------------------------------------------------------------------------- */

inline table_alloc(result)
{
	d_step {
		result = 1;
		do
		:: result < TABLES && tables[result].taken -> result++
		:: else -> break
		od;
		assert(result < TABLES);
		tables[result].taken = 1;
		tables[result].count = 1
	}
}

/* `to` is nobody else's yet: an entry is copied when its frame is counted. */
inline table_copy(to, from)
{
	table_alloc(to);
	i = 0;
	do
	:: d_step { i < PAGES ->
		LEAF_OF(to, i).names = LEAF_OF(from, i).names;
		LEAF_OF(to, i).write = 0;
		if
		:: LEAF_OF(to, i).names > ZERO_FRAME -> frames[LEAF_OF(to, i).names].count++
		:: else
		fi;
		i++
	   }
	:: i == PAGES -> break
	od;
	i = 0;
#ifndef NO_STALE_TAG
	tables[from].stale = 1
#endif
}

inline table_regain(t)
{
	if
	:: tables[t].stale ->
#ifndef REGAIN_TRUSTS_ALL
		i = 0;
		do
		:: d_step { i < PAGES ->
			if
			:: frames[LEAF_OF(t, i).names].count != 1 -> LEAF_OF(t, i).write = 0
			:: else
			fi;
			i++
		   }
		:: i == PAGES -> break
		od;
		i = 0;
#endif
		tables[t].stale = 0
	:: else
	fi
}

#ifdef EDIT_SHARED_TABLE
#define IS_EXCLUSIVE(t)	true
#else
#define IS_EXCLUSIVE(t)	(tables[t].count == 1)
#endif

/* What the root names becomes the space's own; what is replaced waits in `gather`. */
inline table_own(k)
{
	t = spaces[k].root.names;
	if
	:: t == NONE ->
		table_alloc(fresh);
		d_step { spaces[k].root.names = fresh; spaces[k].root.write = 1; fresh = 0 }
	:: t != NONE && spaces[k].root.write -> skip            /* somebody was here */
	:: t != NONE && !spaces[k].root.write && IS_EXCLUSIVE(t) ->
		table_regain(t);
		spaces[k].root.write = 1                        /* more rights: no flush */
	:: t != NONE && !spaces[k].root.write && !IS_EXCLUSIVE(t) ->
		table_copy(fresh, t);
		d_step {
			spaces[k].root.names = fresh;           /* one store switches the subtree */
			spaces[k].root.write = 1;
			gather = t;
			fresh = 0;
#ifndef NO_SHOOTDOWN_FOR_TABLES
			must_flush = 1
#endif
		}
	fi
}

inline table_put(t)
{
	d_step {
		assert(tables[t].count > 0);
		tables[t].count--;
		is_last = tables[t].count == 0
	}
	if
	:: is_last -> table_free(t)
	:: else
	fi;
	is_last = 0
}

inline table_free(t)
{
	i = 0;
	do
	:: i < PAGES ->
		d_step {
			old = LEAF_OF(t, i).names;
			LEAF_OF(t, i).names = NONE;
			LEAF_OF(t, i).write = 0
		}
		if
		:: old > ZERO_FRAME -> frame_put(old)
		:: else
		fi;
		old = 0;
		i++
	:: i == PAGES -> break
	od;
	i = 0;
	d_step { assert(tables[t].taken); tables[t].taken = 0; tables[t].stale = 0 }
}

inline gather_put()
{
	if
	:: gather != NONE -> table_put(gather); gather = 0
	:: else
	fi
}

inline space_gather_finish(k, p)
{
#ifdef PUT_BEFORE_SHOOTDOWN
	gather_put();
#endif
	if
	:: must_flush -> space_flush(k, p); must_flush = 0
	:: else
	fi;
	gather_put()
}

/* ---- mm/cursor.c ----------------------------------------------------------------------------- */

#ifdef REUSE_BY_LEAF_COUNT
#define PATH_IS_OWN(k, p)	(spaces[k].root.write || (spaces[k].root.names != NONE && \
	frames[LEAF_OF(spaces[k].root.names, p).names].count == 1))
#else
#define PATH_IS_OWN(k, p)	spaces[k].root.write
#endif

inline cursor_open(k, p)
{
	if
	:: d_step { PATH_IS_OWN(k, p) ->
#ifdef REUSE_BY_LEAF_COUNT
		spaces[k].root.write = 1;
#endif
		t = spaces[k].root.names
	   }
	:: else ->
		spin_lock_byte(spaces[k].locked);
		table_own(k);
		d_step { spin_unlock_byte(spaces[k].locked); t = spaces[k].root.names }
	fi;
	spin_lock_byte(tables[t].locked)
}

inline cursor_set(p, f, may_write)
{
	d_step { LEAF_OF(t, p).names = f; LEAF_OF(t, p).write = may_write }
}

inline cursor_replace(k, p, f)
{
	d_step { old = LEAF_OF(t, p).names; assert(old != NONE) }
#ifdef REPLACE_IN_ONE_STORE
	cursor_set(p, f, 1);
#else
	cursor_set(p, NONE, 0);
#endif
#ifdef PUT_BEFORE_SHOOTDOWN
	if
	:: old != ZERO_FRAME -> frame_put(old)
	:: else
	fi;
	old = ZERO_FRAME;
#endif
	space_flush(k, p);
	must_flush = 0;                 /* the same flush covered the table replaced above */
#ifndef REPLACE_IN_ONE_STORE
	cursor_set(p, f, 1);
#endif
	if
	:: old != ZERO_FRAME -> frame_put(old)
	:: else
	fi;
	old = 0
}

inline cursor_close(k, p)
{
	d_step { spin_unlock_byte(tables[t].locked); t = 0 }
	space_gather_finish(k, p)
}

/* ---- mm/fault.c ------------------------------------------------------------------------------ */

inline fault_resolve(p, is_store)
{
	read_lock(s);
	cursor_open(s, p);
	if
	:: LEAF_OF(t, p).names == NONE -> page_fill(p, is_store)
	:: LEAF_OF(t, p).names != NONE && is_store && !LEAF_OF(t, p).write -> page_own(p)
	:: LEAF_OF(t, p).names != NONE && (!is_store || LEAF_OF(t, p).write) ->
		flush_here(me, p)               /* somebody was here first */
	fi;
	cursor_close(s, p)
}

inline page_fill(p, is_store)
{
	if
	:: is_store ->
		frame_alloc(fresh, 0);
		cursor_set(p, fresh, 1);
		fresh = 0
	:: else -> cursor_set(p, ZERO_FRAME, 0)
	fi
}

inline page_own(p)
{
	if
	:: frames[LEAF_OF(t, p).names].count == 1 -> LEAF_OF(t, p).write = 1    /* reuse */
	:: else ->
		frame_alloc(fresh, frames[LEAF_OF(t, p).names].data);
		cursor_replace(s, p, fresh);
		fresh = 0
	fi
}

/* ---- mm/space.c ------------------------------------------------------------------------------ */

/* fork_share is `table` or `page`, as it pleases SPIN. */
inline table_share(to, from)
{
	spaces[from].root.write = 0;
	t = spaces[from].root.names;
	if
	:: t == NONE -> skip
	:: t != NONE -> d_step { tables[t].count++; spaces[to].root.names = t }
	:: t != NONE ->
		table_copy(fresh, t);
		d_step { spaces[to].root.names = fresh; spaces[to].root.write = 1; fresh = 0 }
	fi;
	t = 0
}

inline space_publish(k)
{
	d_step { spaces[k].live = 1; spaces[k].users = 1 }
}

inline truth_copy(to, from)
{
	do
	:: i < PAGES -> spaces[to].truth[i] = spaces[from].truth[i]; i++
	:: else -> break
	od;
	i = 0
}

inline space_fork(parent)
{
	write_lock(parent);
	table_share(child, parent);
#ifdef PUBLISH_BEFORE_SHOOTDOWN
	d_step { truth_copy(child, parent) }
	space_publish(child);
#endif
#ifndef NO_SHOOTDOWN_AT_FORK
	space_flush(parent, ALL_PAGES);
#endif
#ifndef PUBLISH_BEFORE_SHOOTDOWN
	d_step { truth_copy(child, parent) }    /* the snapshot instant */
	space_publish(child);
#endif
#ifdef FORK_READ_LOCKED
	read_unlock(parent)
#else
	write_unlock(parent)
#endif
}

/* Nobody runs here any more: nothing is shot down. */
inline space_put(k)
{
	d_step { spaces[k].users--; is_last = spaces[k].users == 0 }
	if
	:: is_last ->
		d_step {
			assert(spaces[k].cpus == 0);
			is_last = 0;
			t = spaces[k].root.names;
			spaces[k].root.names = NONE;
			spaces[k].root.write = 0;
			spaces[k].live = 0;
			truth_forget(k)
		}
		if
		:: t != NONE -> table_put(t)
		:: else
		fi;
		t = 0
	:: else
	fi
}

inline truth_forget(k)
{
	do
	:: i < PAGES -> spaces[k].truth[i] = 0; i++
	:: else -> break
	od;
	i = 0
}

/* ---- audit ----------------------------------------------------------------------------------- */

inline kernel_leave()
{
	in_kernel--;
#ifndef NO_AUDIT
	if
	:: in_kernel == 0 -> audit()
	:: else
	fi;
#endif
	skip
}

inline audit()
{
	audit_frames();
	audit_tables();
	audit_caches()
}

/* R1: a count is the number of entries.  W1: a write bit in a table that is not stale is true. */
inline audit_frames()
{
	x = ZERO_FRAME + 1;
	do
	:: x < FRAMES ->
		y = 1; n = 0;
		do
		:: y < TABLES ->
			i = 0;
			do
			:: i < PAGES ->
				n = n + (LEAF_OF(y, i).names == x);
				assert(LEAF_OF(y, i).names != x || tables[y].stale ||
				       !LEAF_OF(y, i).write || frames[x].count == 1);
				i++
			:: else -> break
			od;
			y++
		:: else -> break
		od;
		assert(frames[x].count == n && frames[x].taken == (n > 0));
		x++
	:: else -> break
	od;
	x = 0; y = 0; n = 0; i = 0
}

inline audit_tables()
{
	x = 1;
	do
	:: x < TABLES ->
		y = 0; n = 0;
		do
		:: y < SPACES ->
			n = n + (spaces[y].root.names == x);
			assert(spaces[y].root.names != x || !spaces[y].root.write ||
			       (tables[x].count == 1 && !tables[x].stale));
			y++
		:: else -> break
		od;
		assert(tables[x].count == n && tables[x].taken == (n > 0) && !tables[x].locked);
		x++
	:: else -> break
	od;
	x = 0; y = 0; n = 0
}

/* T1: what a CPU may still reach is alive. */
inline audit_caches()
{
	do
	:: x < CPUS ->
		assert(UPPER(x).names == NONE || tables[UPPER(x).names].taken);
		assert(cpus[x].leaf.names <= ZERO_FRAME || frames[cpus[x].leaf.names].taken);
		x++
	:: else -> break
	od;
	x = 0
}

/* ---- programs -------------------------------------------------------------------------------- */

/* The threads of the first space are alike: let the first one be the one that forks. */
#define MAY_FORK(c)	(c == 0 || c >= THREADS)

/* Any program of so many steps. */
inline thread_run(k)
{
	s = k;
	left = (me == 0 -> STEPS : OTHERS);
	tlb_activate(s);
	do
	:: left > 0 -> left--; program(0, 0)
	:: left > 0 -> left--; program(0, 1)
#if PAGES > 1
	:: left > 0 -> left--; program(1, 0)
	:: left > 0 -> left--; program(1, 1)
#endif
	:: atomic { left > 0 && spaces_made < SPACES && MAY_FORK(me) ->
		child = spaces_made; spaces_made++; left--; in_kernel++
	   } ->
		space_fork(s);
		child = 0;
		d_step { kernel_leave() }
	:: break
	od;
	left = 0;
	in_kernel++;
	tlb_leave(s);
	space_put(s);
	s = 0;
	d_step { kernel_leave() }
}

proctype processor(byte me)
{
	byte s, left, child, t, old, fresh, gather, i, value, next;
	bit must_flush, is_last;

	if
	:: me < THREADS -> thread_run(0)
	:: else
	fi;
	next = 1;
	do
	:: next < SPACES && RUNNER(next) != me -> next++
	:: next < SPACES && RUNNER(next) == me ->
end_idle:	spaces[next].live -> thread_run(next); next++
	:: next == SPACES -> break
	od
}

init
{
	byte c;

	atomic {
		spaces[0].live = 1;
		spaces[0].users = THREADS;
		do
		:: c < CPUS ->
			cpus[c].loaded = NOWHERE;
			run tlb_interrupt(c);
			run processor(c);
			c++
		:: else -> break
		od
	}
}
