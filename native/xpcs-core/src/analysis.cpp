// One correlation from end to end: settings, reading, correlating, writing under a temporary name, publishing.
#include "xpcs/analysis.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "bad_frames.hpp"
#include "intake.hpp"
#include "result_file.hpp"

namespace xpcs {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<NamedSource> open_modules(const std::vector<std::string>& paths) {
  std::vector<NamedSource> sources;
  for (const std::string& path : paths) sources.push_back({path, open_file(path)});
  return sources;
}

std::unique_ptr<FrameReader> open_reader(const Settings& settings) {
  switch (settings.format) {
    case Format::imm: return open_imm(open_file(settings.input), settings.reader);
    case Format::rigaku:
      if (!settings.modules.empty()) return open_rigaku_modules(open_modules(settings.modules), settings.reader);
      return open_rigaku(open_file(settings.input), settings.reader);
    case Format::ufxc: return open_ufxc(open_file(settings.input), settings.reader);
    case Format::hdf5: return open_hdf5(settings.input, settings.reader);
  }
  throw Error(Code::internal, "no reader for this format");
}

/// Runs one step; an error that does not name the file that it is about gets its name, and a damaged file the way out.
template <class Step>
auto about_file(const std::string& path, Step step) {
  try {
    return step();
  } catch (const Error& error) {
    std::string message = error.what();
    if (message.find(path) == std::string::npos && error.code() != Code::canceled) message = path + ": " + message;
    if (error.code() == Code::corrupt_data && message.find("copy") == std::string::npos) {
      message += "; copy the file again, or leave the damaged part out with --begin and --end";
    }
    throw Error(error.code(), message);
  }
}

/// A file under a temporary name beside its final one; gone unless published.
class PartialFile {
 public:
  explicit PartialFile(const std::string& finalPath) : final_(finalPath), path_(finalPath + ".partial-" + std::to_string(::getpid())) {}
  ~PartialFile() {
    if (!published_) std::remove(path_.c_str());
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Whole on the disk first, then one rename (or, without overwrite, one link that fails when the name is taken).
  void publish(bool overwrite) {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      ::fsync(fd);
      ::close(fd);
    }
    if (!overwrite) {
      if (::link(path_.c_str(), final_.c_str()) == 0) return;  // the destructor removes the temporary name
      if (errno == EEXIST) throw Error(Code::already_exists, "the output " + final_ + " appeared meanwhile; --overwrite replaces it");
      // Some file systems have no links; there the rename must do.
    }
    if (::rename(path_.c_str(), final_.c_str()) != 0) throw Error(Code::io_failed, "cannot rename " + path_ + " to " + final_ + ": " + std::strerror(errno));
    published_ = true;
  }

 private:
  std::string final_;
  std::string path_;
  bool published_ = false;
};

void write_result(const Outcome& outcome, const std::string& path) {
  h5::File file = h5::File::create(path);
  if (outcome.settings.layout == Layout::nexus) {
    write_nexus(file, outcome);
  } else {
    write_exchange(file, outcome);
  }
  write_provenance(file, outcome);
  file.flush();
}

}  // namespace

Summary run_analysis(const Request& request, const Control& control) {
  const auto start = std::chrono::steady_clock::now();
  Summary summary;
  Settings settings = resolve_settings(request);
  if (settings.layout == Layout::nexus) check_nexus_inputs(request, settings);
  CorrelatorOptions options;
  options.dpl = settings.dpl;
  options.average = settings.average;
  options.normalizeByFrameSum = settings.normalizeByFrameSum;
  options.threads = settings.threads;

  auto reader = about_file(settings.input, [&] { return open_reader(settings); });
  const bool darks = reader->dense() && settings.darkFrames > 0;
  if (!darks) options.pixelFactor = settings.flatfield;  // with darks the values are flat-fielded after the threshold
  Partition partition = about_file(request.qmap ? *request.qmap : *request.job, [&] {
    return make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, settings.splitBins);
  });
  Correlator correlator(std::move(partition), options);
  std::vector<std::unique_ptr<FrameSink>> sinks;
  sinks.push_back(std::make_unique<CorrelatorSink>(correlator));
  const Measured measured = about_file(settings.input, [&] { return read_series(*reader, settings, sinks, control); });
  reader.reset();
  correlator.set_static_window(settings.staticWindow);
  if (!measured.frameWeights.empty()) correlator.set_frame_weights(measured.frameWeights);
  summary.readS = seconds_since(start);

  const auto correlating = std::chrono::steady_clock::now();
  CorrelationResult result = correlator.result({settings.threads, request.g2out}, control);
  if (!measured.bad.empty()) correct_for_bad_frames(measured.bad, settings.staticWindow, result);
  summary.correlateS = seconds_since(correlating);

  control.check();
  control.report(Stage::writing, 0);
  const auto writing = std::chrono::steady_clock::now();
  PartialFile partial(request.out);
  write_result({request, settings, correlator.partition(), result, measured}, partial.path());
  control.check();
  struct stat facts {};
  if (::stat(partial.path().c_str(), &facts) == 0) summary.outBytes = static_cast<std::uint64_t>(facts.st_size);
  partial.publish(request.overwrite);
  summary.writeS = seconds_since(writing);
  control.report(Stage::writing, 1);

  summary.out = request.out;
  summary.framesRead = measured.framesRead;
  summary.frames = result.frames;
  summary.events = result.events;
  summary.pixels = correlator.partition().pixelOfRank.size();
  summary.dynamicBins = correlator.partition().dynamicBins;
  summary.staticBins = correlator.partition().staticBins;
  summary.delays = result.delays.size();
  summary.settings = std::move(settings);
  summary.totalS = seconds_since(start);
  return summary;
}

}  // namespace xpcs
