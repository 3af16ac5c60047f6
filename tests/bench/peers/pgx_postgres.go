// pgxpool on PostgreSQL: one line of JSON. Run by languages.py with the server's address.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/jackc/pgx/v4/pgxpool"
)

const (
	connections = 3
	goroutines  = 8
	rows        = 1000
	run         = time.Second
	text        = "SELECT id, level FROM reading WHERE id = $1"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// By pgx's own cache of prepared statements, and its binary values.
func selectOne(pool *pgxpool.Pool, key int64) {
	var id int64
	var level float64
	check(pool.QueryRow(context.Background(), text, key).Scan(&id, &level))
	if id != key {
		log.Fatal("another row")
	}
}

func bestNanos(body func(int64), times int64) float64 {
	best := 1e18
	for repetition := 0; repetition < 10; repetition++ {
		start := time.Now()
		for i := int64(0); i < times; i++ {
			body(i%rows + 1)
		}
		if each := float64(time.Since(start).Nanoseconds()) / float64(times); each < best {
			best = each
		}
	}
	return best
}

func work(pool *pgxpool.Pool, end time.Time) []time.Duration {
	var spans []time.Duration
	for key := int64(0); time.Now().Before(end); key++ {
		asked := time.Now()
		selectOne(pool, key%rows+1)
		spans = append(spans, time.Since(asked))
	}
	return spans
}

func contend(pool *pgxpool.Pool) string {
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
	for _, spans := range seen {
		all = append(all, spans...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	us := func(share int) float64 { return float64(all[len(all)*share/1000].Nanoseconds()) / 1e3 }
	return fmt.Sprintf(`{"per_second": %.0f, "wait_us": {"p50": %.1f, "p99": %.1f, "p99.9": %.1f}}`,
		float64(len(all))/run.Seconds(), us(500), us(990), us(999))
}

func main() {
	config, err := pgxpool.ParseConfig(os.Args[1])
	check(err)
	config.MaxConns = connections
	config.MinConns = connections
	pool, err := pgxpool.ConnectConfig(context.Background(), config)
	check(err)
	defer pool.Close()
	alone := bestNanos(func(key int64) { selectOne(pool, key) }, 2000)
	fmt.Printf(`{"name": "pgxpool", "note": "pgx 4, %s, its statement cache", "ns": %.1f, `+
		`"contended": %s}`+"\n", runtime.Version(), alone, contend(pool))
}
