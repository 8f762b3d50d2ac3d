// Card gives what a step wrote to the part of Drone's runner that takes cards out of it, and prints the card and the rest of the log.
//
// As runner-go's pipeline/runtime/execer.go does, the chunks go through livelog/extractor into the log, and the card, when there is one,
// is read as what pipeline/uploader sends to the server.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/drone/drone-go/drone"
	"github.com/drone/runner-go/livelog/extractor"
)

// chunk is one write of the step, in base64 on the way here.
type chunk []byte

type result struct {
	Card *drone.CardInput `json:"card"`
	Log  []byte           `json:"log"`
}

func extract(chunks []chunk) (result, error) {
	var log bytes.Buffer
	writer := extractor.New(&log)
	for _, chunk := range chunks {
		if _, err := writer.Write(chunk); err != nil {
			return result{}, err
		}
	}
	found := result{Log: log.Bytes()}
	if data, ok := writer.File(); ok {
		found.Card = new(drone.CardInput)
		if err := json.Unmarshal(data, found.Card); err != nil {
			return result{}, err
		}
	}
	return found, nil
}

func run() error {
	var chunks []chunk
	if err := json.NewDecoder(os.Stdin).Decode(&chunks); err != nil {
		return err
	}
	found, err := extract(chunks)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
