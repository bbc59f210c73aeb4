// Asks by OpenFeature's Go client, as tests/clients/asking.py says: one question a line, one answer a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

type question struct {
	Type    string
	Key     string
	Default any
	Context map[string]any
}

type answer struct {
	Value        any            `json:"value"`
	Variant      string         `json:"variant"`
	Reason       string         `json:"reason"`
	ErrorCode    string         `json:"errorCode"`
	ErrorMessage string         `json:"errorMessage"`
	Metadata     map[string]any `json:"metadata"`
}

func main() {
	var options []ofrep.Option
	for _, header := range os.Args[2:] {
		name, value, _ := strings.Cut(header, "=")
		options = append(options, ofrep.WithHeader(name, value))
	}
	if err := openfeature.SetProviderAndWait(ofrep.NewProvider(os.Args[1], options...)); err != nil {
		panic(err)
	}
	client := openfeature.NewClient("asking")
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(client, asked)); err != nil {
			panic(err)
		}
	}
}

func ask(client *openfeature.Client, asked question) answer {
	key, _ := asked.Context["targetingKey"].(string)
	delete(asked.Context, "targetingKey")
	user := openfeature.NewEvaluationContext(key, asked.Context)
	ctx := context.Background()
	switch asked.Type {
	case "Boolean":
		told, _ := client.BooleanValueDetails(ctx, asked.Key, asked.Default.(bool), user)
		return details(told.Value, told.EvaluationDetails)
	case "String":
		told, _ := client.StringValueDetails(ctx, asked.Key, asked.Default.(string), user)
		return details(told.Value, told.EvaluationDetails)
	case "Integer":
		told, _ := client.IntValueDetails(ctx, asked.Key, int64(asked.Default.(float64)), user)
		return details(told.Value, told.EvaluationDetails)
	case "Float":
		told, _ := client.FloatValueDetails(ctx, asked.Key, asked.Default.(float64), user)
		return details(told.Value, told.EvaluationDetails)
	default:
		told, _ := client.ObjectValueDetails(ctx, asked.Key, asked.Default, user)
		return details(told.Value, told.EvaluationDetails)
	}
}

func details(value any, told openfeature.EvaluationDetails) answer {
	return answer{
		Value:        value,
		Variant:      told.Variant,
		Reason:       string(told.Reason),
		ErrorCode:    string(told.ErrorCode),
		ErrorMessage: told.ErrorMessage,
		Metadata:     told.FlagMetadata,
	}
}
