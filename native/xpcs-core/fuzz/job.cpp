// A legacy job file with any types, shapes and values.
#include "hdf5_file.hpp"
#include "job_file.hpp"

namespace {
const char* const kNumbers[] = {
    "/xpcs/data_begin_todo", "/xpcs/data_end_todo", "/xpcs/delays_per_level", "/xpcs/stride_frames", "/xpcs/avg_frames", "/xpcs/static_mean_window_size",
    "/xpcs/normalize_by_framesum", "/xpcs/dark_begin_todo", "/xpcs/dark_end_todo", "/xpcs/lld", "/xpcs/sigma", "/xpcs/swbinX", "/xpcs/num_g2partials",
    "/xpcs/output_data", "/xpcs/analysis_type", "/xpcs/transposed", "/xpcs/flatfield_enabled", "/xpcs/blemish_enabled", "/xpcs/kinetics",
    "/measurement/instrument/detector/x_dimension", "/measurement/instrument/detector/y_dimension", "/measurement/instrument/detector/distance"};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    const fuzzing::MemoryFile file;
    Request request;
    request.input = "x";
    request.compat = static_cast<Compat>(input.choice() % 3);
    {
      const h5::Handle made = fuzzing::create(file);
      for (const char* name : kNumbers) fuzzing::write_dataset(made, name, input, {1, 1});
      for (const char* name : {"/xpcs/dqmap", "/xpcs/sqmap", "/xpcs/mask", "/measurement/instrument/detector/flatfield"}) fuzzing::write_dataset(made, name, input, {4, 5});
    }
    Settings settings;
    read_job_file(h5::File::open(file.path()), "/xpcs", request, settings);
    make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, SplitBins::drop_minority);
  });
}
