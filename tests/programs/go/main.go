// SPDX-License-Identifier: LGPL-2.1-or-later

// web: an HTTP server and client in Go alone, without libc: its own resolver, raw system calls, a thread for
// each processor, edge-triggered epoll, preemption by signals.
//
//	web serve ADDRESS            answers GET with "REMOTE LOCAL PATH", POST with the SHA-256 of the body
//	web get URL                  prints the answer
//	web post URL BYTES           sends a pattern, and prints whether the hash that comes back is right
//	web many URL CLIENTS EACH    that many requests on connections of their own; prints how many were right
//	web lookup NAME              prints the addresses
//	web reverse ADDRESS          prints the names
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func host(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return strings.TrimPrefix(h, "::ffff:")
}

func serve(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			sum := sha256.New()
			if _, err := io.Copy(sum, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintln(w, hex.EncodeToString(sum.Sum(nil)))
			return
		}
		local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprintln(w, host(r.RemoteAddr), host(local.String()), r.URL.Path)
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(handler)))
}

func read(response *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return strings.TrimSpace(string(body)), err
}

func post(client *http.Client, url string, size int) (bool, error) {
	data := strings.Repeat("appswitch ", size/10)
	sum := sha256.Sum256([]byte(data))
	answer, err := read(client.Post(url, "text/plain", strings.NewReader(data)))
	return answer == hex.EncodeToString(sum[:]), err
}

// Spins a little, so that the runtime interrupts threads with SIGURG while others are in system calls.
func spin(stop *atomic.Bool) {
	for !stop.Load() {
		for i := 0; i < 1000000; i++ {
			_ = i * i
		}
		time.Sleep(time.Millisecond)
	}
}

func many(url string, clients, each int) int64 {
	var group sync.WaitGroup
	var right atomic.Int64
	var stop atomic.Bool

	go spin(&stop)
	for c := 0; c < clients; c++ {
		group.Add(1)
		go func(c int) {
			defer group.Done()
			client := &http.Client{
				Transport: &http.Transport{DisableKeepAlives: true},
				Timeout:   30 * time.Second,
			}
			for i := 0; i < each; i++ {
				path := fmt.Sprintf("/%d/%d", c, i)
				answer, err := read(client.Get(url + path))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
				} else if strings.HasSuffix(answer, " "+path) {
					right.Add(1)
				}
			}
		}(c)
	}
	group.Wait()
	stop.Store(true)
	return right.Load()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	client := &http.Client{Timeout: 30 * time.Second}
	number := func(i int) int {
		n, err := strconv.Atoi(os.Args[i])
		check(err)
		return n
	}

	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "get":
		answer, err := read(client.Get(os.Args[2]))
		check(err)
		fmt.Println(answer)
	case "post":
		right, err := post(client, os.Args[2], number(3))
		check(err)
		fmt.Println(right)
	case "many":
		fmt.Println(many(os.Args[2], number(3), number(4)))
	case "lookup":
		addresses, err := net.LookupHost(os.Args[2])
		check(err)
		sort.Strings(addresses)
		fmt.Println(strings.Join(addresses, " "))
	case "reverse":
		names, err := net.LookupAddr(os.Args[2])
		check(err)
		fmt.Println(strings.Join(names, " "))
	default:
		log.Fatal("unknown word ", os.Args[1])
	}
}
