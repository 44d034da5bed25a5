# Ends a shell after an hour without input
readonly TMOUT=3600
export TMOUT
