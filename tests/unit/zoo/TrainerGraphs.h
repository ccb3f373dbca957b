// Small exported graphs for the trainer's tests.
#pragma once

#include <string>

/// A network for 4x4 images and two classes: conv2d (trits) + batch_norm + relu, global_avg_pool, linear (int8). With the
/// quantisers that the compiler would place.
inline std::string tinyGraph(const std::string &method = "twn") {
  std::string trit = R"("storage": "trit", "scale": "per_channel", "method": ")" + method +
                     R"(", "threshold": 0.7, "group": 0, "seed": 3, "channel_axis": 0, "frozen": false)";
  std::string plain = R"("storage": "float32", "scale": "per_channel", "method": "twn", "threshold": 0.7, "group": 0, "seed": 0,
                         "channel_axis": 0, "frozen": false)";
  std::string int8 = R"("storage": "int8", "scale": "per_channel", "method": "twn", "threshold": 0.7, "group": 0, "seed": 0,
                        "channel_axis": 0, "frozen": false)";
  auto value = [](const std::string &id, const std::string &shape) {
    return R"({"id": )" + id + R"(, "dtype": "float32", "shape": )" + shape + "}";
  };
  auto param = [](const std::string &key, const std::string &v, const std::string &rest) {
    return R"({"key": ")" + key + R"(", "value": )" + v + ", " + rest + "}";
  };
  auto quantizer = [](const std::string &v, const std::string &key, bool uns) {
    return R"({"value": )" + v + R"(, "key": ")" + key + R"(", "dtype": ")" + (uns ? "uint8" : "int8") + R"(", "lo": )" +
           (uns ? "0" : "-127") + R"(, "hi": )" + (uns ? "255" : "127") +
           R"(, "mode": "static", "per": "tensor", "clip": 99.99, "scale": null})";
  };
  return R"({"format": "triton-graph", "version": 1, "model": "Tiny", "export": "Tiny", "source": "tiny.tri", "dims": ["N"],
    "inputs": [{"name": "image", "value": 0, "dtypes": ["uint8", "float32"],
                "preprocess": {"mean": [0.5], "std": [0.5], "scale": 0.00392156862745098}}],
    "outputs": [{"name": "logits", "value": 12}],
    "params": [)" + param("conv.weight", "1", trit) + "," + param("bn.weight", "2", plain) + "," + param("bn.bias", "3", plain) + "," +
         param("bn.running_mean", "4", plain) + "," + param("bn.running_var", "5", plain) + "," + param("fc.weight", "6", int8) + "," +
         param("fc.bias", "7", plain) + R"(],
    "values": [)" + value("0", R"(["N", 1, 4, 4])") + "," + value("1", "[8, 1, 3, 3]") + "," + value("2", "[8]") + "," + value("3", "[8]") +
         "," + value("4", "[8]") + "," + value("5", "[8]") + "," + value("6", "[2, 8]") + "," + value("7", "[2]") + "," +
         value("8", R"(["N", 8, 4, 4])") + "," + value("9", R"(["N", 8, 4, 4])") + "," + value("10", R"(["N", 8, 4, 4])") + "," +
         value("11", R"(["N", 8])") + "," + value("12", R"(["N", 2])") + R"(],
    "nodes": [
      {"id": 0, "op": "conv2d", "operands": [0, 1, null], "results": [8], "path": "conv",
       "attrs": {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}},
      {"id": 1, "op": "batch_norm", "operands": [8, 2, 3, 4, 5], "results": [9], "path": "bn", "attrs": {"eps": 1e-5}},
      {"id": 2, "op": "relu", "operands": [9], "results": [10], "path": "", "attrs": {}},
      {"id": 3, "op": "global_avg_pool", "operands": [10], "results": [11], "path": "", "attrs": {}},
      {"id": 4, "op": "linear", "operands": [11, 6, 7], "results": [12], "path": "fc", "attrs": {}}],
    "groups": [{"nodes": [0, 1, 2], "anchor": 0, "residual": null, "value": 10, "quantizer": 1},
               {"nodes": [3], "anchor": null, "residual": null, "value": 11, "quantizer": 2},
               {"nodes": [4], "anchor": 4, "residual": null, "value": 12, "quantizer": null}],
    "quantizers": [)" + quantizer("0", "act0.scale", false) + "," + quantizer("10", "act1.scale", true) + "," +
         quantizer("11", "act2.scale", true) + "]}";
}
