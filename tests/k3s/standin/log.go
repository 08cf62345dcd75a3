package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// logf writes a line as K3s does (logrus's text form).
func logf(level, format string, values ...any) {
	text := strconv.Quote(fmt.Sprintf(format, values...))
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%s\n", time.Now().Format(time.RFC3339), level, text)
}

// fatal says why and ends the process; systemd starts it again.
func fatal(err error) {
	logf("fatal", "Error: %v", err)
	os.Exit(1)
}
