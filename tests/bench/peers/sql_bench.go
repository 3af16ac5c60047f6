// Go's database/sql in the contest: one line of JSON. Run by languages.py.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"runtime"
	"sort"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	connections = 3
	goroutines  = 8
	hold        = 500 * time.Microsecond
	run         = time.Second
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func makePool() *sql.DB {
	pool, err := sql.Open("sqlite3", ":memory:")
	check(err)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool
}

func cycle(pool *sql.DB) {
	connection, err := pool.Conn(context.Background())
	check(err)
	check(connection.Close())
}

func bestNanos(body func(), times int) float64 {
	best := 1e18
	for repetition := 0; repetition < 10; repetition++ {
		start := time.Now()
		for i := 0; i < times; i++ {
			body()
		}
		if each := float64(time.Since(start).Nanoseconds()) / float64(times); each < best {
			best = each
		}
	}
	return best
}

// work returns the waits of one goroutine.
func work(pool *sql.DB, end time.Time) []time.Duration {
	var waits []time.Duration
	for time.Now().Before(end) {
		asked := time.Now()
		connection, err := pool.Conn(context.Background())
		check(err)
		waits = append(waits, time.Since(asked))
		time.Sleep(hold)
		check(connection.Close())
	}
	return waits
}

func contend(pool *sql.DB) string {
	var group sync.WaitGroup
	seen := make([][]time.Duration, goroutines)
	end := time.Now().Add(run)
	for i := range seen {
		group.Add(1)
		go func(mine int) {
			defer group.Done()
			seen[mine] = work(pool, end)
		}(i)
	}
	group.Wait()
	var all []time.Duration
	var takes []int
	for _, waits := range seen {
		all = append(all, waits...)
		takes = append(takes, len(waits))
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	sort.Ints(takes)
	us := func(wait time.Duration) float64 { return float64(wait.Nanoseconds()) / 1e3 }
	return fmt.Sprintf(`{"per_second": %.0f, "min_over_max": %.4f, `+
		`"wait_us": {"p50": %.1f, "p99": %.1f, "max": %.1f}}`,
		float64(len(all))/run.Seconds(), float64(takes[0])/float64(takes[len(takes)-1]),
		us(all[len(all)/2]), us(all[len(all)*99/100]), us(all[len(all)-1]))
}

func main() {
	pool := makePool()
	defer pool.Close()
	statement, err := pool.Prepare("SELECT 1")
	check(err)
	selectOne := func() {
		var one int
		check(statement.QueryRow().Scan(&one))
	}
	fmt.Printf(`{"name": "Go database/sql", "note": "%s, SQLite by cgo", "ns": %.1f, `+
		`"select_ns": %.1f, "contended": %s}`+"\n", runtime.Version(),
		bestNanos(func() { cycle(pool) }, 50000), bestNanos(selectOne, 20000), contend(pool))
}
