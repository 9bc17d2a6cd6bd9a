// A static program for tests: what an image of one Go binary on scratch holds.
package main

import "fmt"

func main() {
	fmt.Println("hello")
}
