// xpcs_bench: makes the measurements' inputs, measures the machine's bounds, runs a measured child. Prints one line of
// JSON. Called by bench/*.ts; the meaning of each command is in the usage text below.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bounds.hpp"
#include "run_child.hpp"
#include "write_files.hpp"

namespace xpcs::bench {
namespace {

constexpr const char* kUsage =
    "usage:\n"
    "  xpcs_bench make imm-sparse|imm-dense|rigaku|ufxc|hdf5-u8|hdf5-u16|hdf5-u32 OUT --rows N --columns N --frames N --mean X --seed N\n"
    "  xpcs_bench job OUT --rows N --columns N --frames N --dpl N --input FILE [--type twotime] [--dimensions exchanged]\n"
    "  xpcs_bench qmap OUT --rows N --columns N\n"
    "  xpcs_bench stream FILE --threads N\n"
    "  xpcs_bench multiply-add\n"
    "  xpcs_bench run STDOUT_FILE STDERR_FILE COMMAND...\n";

/// The command line after the command: words in order, and `--name value` pairs.
struct Arguments {
  std::vector<std::string> words;
  std::map<std::string, std::string> options;

  [[nodiscard]] const std::string& word(std::size_t at) const {
    if (at >= words.size()) fail(std::string("an argument is missing\n") + kUsage);
    return words[at];
  }
  [[nodiscard]] const std::string& text(const std::string& name) const {
    const auto found = options.find(name);
    if (found == options.end()) fail("--" + name + " is missing\n" + kUsage);
    return found->second;
  }
  [[nodiscard]] std::uint64_t number(const std::string& name) const { return std::stoull(text(name)); }
  [[nodiscard]] bool is(const std::string& name, const std::string& value) const {
    const auto found = options.find(name);
    return found != options.end() && found->second == value;
  }
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t j = 0; j < words.size(); ++j) {
    if (words[j].rfind("--", 0) != 0) {
      arguments.words.push_back(words[j]);
    } else if (j + 1 < words.size()) {
      arguments.options[words[j].substr(2)] = words[j + 1];
      ++j;
    } else {
      fail(words[j] + " needs a value\n" + kUsage);
    }
  }
  return arguments;
}

std::uint64_t make_input(const std::string& format, const Series& series, const std::string& path) {
  if (format == "imm-sparse") return write_imm_sparse(series, path);
  if (format == "imm-dense") return write_imm_dense(series, path);
  if (format == "rigaku") return write_rigaku(series, path);
  if (format == "ufxc") return write_ufxc(series, path);
  if (format == "hdf5-u8") return write_hdf5(series, path, 1);
  if (format == "hdf5-u16") return write_hdf5(series, path, 2);
  if (format == "hdf5-u32") return write_hdf5(series, path, 4);
  fail("there is no format " + format + "\n" + kUsage);
}

std::uint32_t extent(const Arguments& arguments, const char* name) {
  const std::uint64_t n = arguments.number(name);
  if (n == 0 || n > 65535) fail(std::string("--") + name + " must be 1 to 65535");
  return static_cast<std::uint32_t>(n);
}

void command_make(const Arguments& arguments) {
  const Series series({extent(arguments, "rows"), extent(arguments, "columns"), arguments.number("frames"), std::stod(arguments.text("mean")),
                       arguments.number("seed")});
  const std::uint64_t events = make_input(arguments.word(0), series, arguments.word(1));
  std::printf("{\"events\": %llu}\n", static_cast<unsigned long long>(events));
}

void command_job(const Arguments& arguments) {
  write_job({extent(arguments, "rows"), extent(arguments, "columns"), arguments.number("frames"), static_cast<std::uint32_t>(arguments.number("dpl")),
             arguments.text("input"), arguments.is("type", "twotime"), arguments.is("dimensions", "exchanged")},
            arguments.word(0));
  std::puts("{}");
}

void command_stream(const Arguments& arguments) {
  const StreamRate rate = measure_stream(arguments.word(0), static_cast<unsigned>(arguments.number("threads")));
  std::printf("{\"bytes\": %llu, \"seconds\": %.9g}\n", static_cast<unsigned long long>(rate.bytes), rate.seconds);
}

void command_multiply_add() {
  const MultiplyAddPeak peak = measure_multiply_add();
  std::printf("{\"path\": \"%s\", \"perSecond\": %.9g}\n", peak.path.c_str(), peak.perSecond);
}

/// The child's own words are taken as they are: its options are none of ours.
void command_run(const std::vector<std::string>& words) {
  if (words.size() < 3) fail(std::string("run needs two files and a command\n") + kUsage);
  const ChildReport report = run_child({words.begin() + 2, words.end()}, words[0], words[1]);
  std::printf("{\"exitCode\": %d, \"wallS\": %.9g, \"userS\": %.9g, \"systemS\": %.9g, \"maxRssBytes\": %.0f}\n", report.exitCode, report.wallS, report.userS,
              report.systemS, report.maxRssBytes);
}

void dispatch(const std::string& command, const std::vector<std::string>& words) {
  if (command == "run") return command_run(words);
  const Arguments arguments = parse(words);
  if (command == "make") return command_make(arguments);
  if (command == "job") return command_job(arguments);
  if (command == "stream") return command_stream(arguments);
  if (command == "multiply-add") return command_multiply_add();
  if (command != "qmap") fail("there is no command " + command + "\n" + kUsage);
  write_qmap(extent(arguments, "rows"), extent(arguments, "columns"), arguments.word(0));
  std::puts("{}");
}

}  // namespace
}  // namespace xpcs::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.empty()) xpcs::bench::fail(xpcs::bench::kUsage);
    xpcs::bench::dispatch(words[0], {words.begin() + 1, words.end()});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xpcs_bench: %s\n", error.what());
    return 2;
  }
}
