// One correlation from end to end: settings, reading, correlating, writing under a temporary name, publishing.
#include "xpcs/analysis.hpp"

#include <sys/stat.h>

#include <chrono>

#include "intake.hpp"
#include "partial_file.hpp"
#include "result_file.hpp"

namespace xpcs {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<FrameReader> open_reader(const Settings& settings) {
  switch (settings.format) {
    case Format::imm: return open_imm(open_file(settings.input), settings.reader);
    case Format::rigaku: return open_rigaku(open_file(settings.input), settings.reader);
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
  const Measured measured = about_file(settings.input, [&] { return read_series(*reader, settings, correlator, control); });
  reader.reset();
  correlator.set_static_window(settings.staticWindow);
  summary.readS = seconds_since(start);

  const auto correlating = std::chrono::steady_clock::now();
  const CorrelationResult result = correlator.result({settings.threads, request.g2out}, control);
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
