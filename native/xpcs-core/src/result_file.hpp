// The two layouts of a result file, and what both share.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

struct Outcome {
  const Request& request;
  const Settings& settings;
  const Partition& partition;
  const CorrelationResult& result;
  const Measured& measured;
};

/// The legacy /exchange group: names and shapes of XPCS-Eigen.
void write_exchange(h5::File& file, const Outcome& outcome);

/// Checks, before any work, that the NeXus layout can be filled. @throws invalid_argument naming what is missing
void check_nexus_inputs(const Request& request, const Settings& settings);

/// The layout that pyXpcsViewer opens: /entry and /xpcs.
void write_nexus(h5::File& file, const Outcome& outcome);

/// /leverage: the pixels that pull g2, and g2 without the blemishes among them.
void write_leverage(h5::File& file, const Outcome& outcome);
/// What a person should know of them before using the result.
void tell_leverage(const Leverage& leverage, std::vector<std::string>& warnings);

/// Correlates and writes C2 and its curves in the layout of the settings. Returns the seconds of both: C2 is written while it is computed.
double write_two_time(h5::File& file, const Outcome& outcome, TwoTime& twoTime, const Control& control, std::vector<std::string>& warnings);

/// /provenance: what was read, with which settings and conventions, by which version, when and where.
void write_provenance(h5::File& file, const Outcome& outcome);

/// All but two-time: the layout of the settings, and /provenance.
void write_correlation(h5::File& file, const Outcome& outcome);

/// Values of g2 without an error because too few pairs stand behind them. What `xpcs view` says of the file, too.
std::size_t values_without_error(const Settings& settings, const Partition& partition, const CorrelationResult& result);

/// g2 and its error by another average over the static bins, in place of the plain ones.
void average_static_bins(Averaging averaging, CorrelationResult& result);

/// The standard error of g2 [D, Q] in the convention that the settings name.
std::vector<double> standard_errors(const Settings& settings, const Partition& partition, const CorrelationResult& result);

/// First and last frame of every window of partial g2 [windows, 2], counted in the series from 1.
std::vector<std::int64_t> partial_frames(const PartialG2& partials, std::uint64_t windows);

/// Values as float32, the type of every result dataset.
std::vector<float> floats(const std::vector<double>& values);

}  // namespace xpcs
